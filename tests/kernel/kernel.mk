# SPDX-License-Identifier: MIT
#
# Read by make after the Makefile of the kernel's tools/virtio, in a copy of that
# folder: the rules for the kernel's own files, their flags and headers are all from
# there. What belongs to libvio is compiled against it alone.
#
# HERE is this folder, LIBVIO the build directory of the library.

OURS = image.o build.o mutate.o images.o subject.o traffic.o actors.o simulate.o \
	threads.o vio_side.o
THEIRS = oracle.o kernel_side.o
LIBVIO_LIBS = -L$(LIBVIO)/lib -Wl,-rpath,$(LIBVIO)/lib -lvio

kernel: images oracle subject traffic vringh_test

vpath %.c $(HERE)

$(THEIRS): CFLAGS += -I$(HERE)
$(OURS): CFLAGS = -std=gnu11 -O2 -g -Wall -Wextra -Wpedantic -Wshadow \
	-Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Werror -MMD -pthread \
	-D_GNU_SOURCE -I$(HERE) -I$(HERE)/../../include -I$(LIBVIO)/include

images: images.o build.o mutate.o image.o
oracle: LDFLAGS += -Wl,--wrap=realloc
oracle: oracle.o image.o vringh.o
subject: subject.o image.o
	$(CC) $(LDFLAGS) $^ $(LIBVIO_LIBS) -o $@
traffic: traffic.o actors.o simulate.o threads.o vio_side.o kernel_side.o vringh.o \
		virtio_ring.o
	$(CC) $(LDFLAGS) $^ $(LIBVIO_LIBS) -o $@

.PHONY: kernel
