/* SPDX-License-Identifier: MIT */
/*
 * One way to say a result in two forms: JSON, and indented lines of "key: value"
 * for a person. The keys are the same in both, and stable. An identifier, an offset
 * and a raw register are text in hexadecimal; a count and a size are numbers.
 */
#ifndef VIOCTL_OUT_H
#define VIOCTL_OUT_H

#include <stdint.h>

/* Deep enough for what the commands say: result, function, capabilities, BARs, BAR. */
#define OUT_DEPTH 8

struct out {
	int is_json;
	uint32_t depth;
	uint32_t n_members[OUT_DEPTH]; /* said so far at each depth */
	char closers[OUT_DEPTH];
};

/* The outermost object; JSON if @is_json. */
void out_begin(struct out *out, int is_json);

/* Ends it, and the line with it. */
void out_finish(struct out *out);

/* In a list @key is NULL. What is begun is ended by out_end(). */
void out_object(struct out *out, const char *key);
void out_list(struct out *out, const char *key);
void out_end(struct out *out);

/* "" and NULL are null. Bytes that are no printable ASCII are escaped. */
void out_text(struct out *out, const char *key, const char *text);
void out_number(struct out *out, const char *key, uint64_t number);
void out_bool(struct out *out, const char *key, int is_true);
void out_null(struct out *out, const char *key);

/* "0x" and at least @digits digits. */
void out_hex(struct out *out, const char *key, uint64_t value, int digits);

/* -1 is null. */
void out_id(struct out *out, const char *key, int64_t number);

#endif /* VIOCTL_OUT_H */
