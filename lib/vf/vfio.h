/* SPDX-License-Identifier: MIT */
/*
 * What an open function is made of. Opening and closing run on a lent thread, one
 * at a time for an address space: which of them makes the kernel's object, and which
 * is the last to leave it, is decided when its turn comes.
 */
#ifndef VIO_VF_VFIO_H
#define VIO_VF_VFIO_H

#include <vio/vfio.h>

#include "sys/async.h"
#include "sys/loop.h"
#include "sys/vfio.h"
#include "vf/iommu.h"
#include "vf/vf.h"

#define VIO_VFIO_PATH_BYTES 256u /* roots are short; longer ones are refused */

/* Registers mapped into this process. */
struct vio_vfio_bar {
	struct vio_list node;
	void *ptr;
	size_t length_bytes;
};

/* One of the kernel's two words about the function, and who wants to hear it. */
struct vio_vfio_signal {
	struct vio_event event; /* fd -1: not connected */
	struct vio_vfio *vfio;
	void (*fn)(void *opaque, struct vio_vfio *vfio);
	uint32_t is_early;    /* it came while the function was being opened */
	struct vio_task task; /* tells it then */
};

/*
 * An operation. The lent thread's from submit until done, except for what its
 * comment says.
 */
struct vio_vfio_job {
	struct vio_async_call call;
	/* By the dispatching thread: its turn has come; it is over. */
	void (*start)(struct vio_vfio *vfio);
	void (*end)(struct vio_vfio *vfio, int result);
	uint32_t ways;           /* VIO_IOMMU_TYPE1, _IOMMUFD to be tried */
	uint32_t has_made_dma;   /* or is to close it */
	uint32_t has_made_group; /* likewise */
	struct vio_dma dma;      /* copy of the address space's; fd -1: to be made */
	struct vio_dma_limits limits;
	int group_fd;
	const char *what;                  /* was being done when it failed */
	const struct vio_dma_map *refused; /* by the kernel, or NULL */
	struct vio_error err;              /* says more than what and the code */
	char cdev[VIO_VFIO_PATH_BYTES];    /* empty: none */
	char iommufd[VIO_VFIO_PATH_BYTES];
	char group[VIO_VFIO_PATH_BYTES];
	char container[VIO_VFIO_PATH_BYTES];
};

struct vio_vfio {
	struct vio_list node;    /* in iommu->functions, once open */
	struct vio_list waiting; /* in iommu->waiting */
	const struct vio_env *env;
	struct vio_vf *vf;
	struct vio_iommu *iommu;
	struct vio_vfio **out;
	void *opaque; /* of both signals */
	char name[VIO_VF_NAME_BYTES];
	int fd;
	struct vio_vfio_group *group; /* NULL: by iommufd */
	uint32_t group_number;
	struct vio_parts parts;
	struct vio_list bars;
	struct vio_vfio_signal requested;
	struct vio_vfio_signal failed;
	uint32_t irq_kind; /* of those connected */
	uint32_t n_irqs;   /* 0: none */
	uint32_t state;    /* of the VF, to go back to */
	uint32_t is_closing;
	struct vio_vfio_job job;
};

/* @buf has VIO_VFIO_PATH_BYTES; -ENAMETOOLONG. */
int vio_vfio_path(char *buf, const struct vio_host *host, const char *name);

/* vfio.c: takes its turn; on failure nothing has happened. */
int vio_vfio_submit(struct vio_vfio *vfio);
/* Called by each end before it is told: after that nothing may exist any more. */
void vio_vfio_start_next(struct vio_iommu *iommu);
/* @err NULL: the code's own words. The VF's done is called; may destroy anything. */
void vio_vfio_end(struct vio_vfio *vfio, int result, const struct vio_error *err);
/* Likewise, of the operation after which no function is open: @vfio is no more. */
void vio_vfio_end_closed(struct vio_vf *vf, uint32_t state, int result,
			 const struct vio_error *err);
/* As vio_vf_begin(), and keeps the state to go back to. */
int vio_vfio_begin(struct vio_vfio *vfio, vio_vf_done_fn done, void *opaque,
		   struct vio_error *err);
/* Unless begin failed: the operation was not accepted after all. */
void vio_vfio_cancel(struct vio_vfio *vfio);
void vio_vfio_destroy(struct vio_vfio *vfio);

/* vfio_open.c */
int vio_vfio_prepare_open(struct vio_vfio *vfio, struct vio_error *err);

/* irq.c */
int vio_vfio_open_signals(struct vio_vfio *vfio, const struct vio_vfio_params *params);
void vio_vfio_close_signals(struct vio_vfio *vfio);
/* What came before the function was entered, once done has been called. */
void vio_vfio_tell_early(struct vio_vfio *vfio);
/* On the lent thread. */
int vio_vfio_connect_signals(const struct vio_vfio *vfio, int fd);

/* region.c */
int vio_vfio_is_gone(const struct vio_vfio *vfio);

#endif /* VIO_VF_VFIO_H */
