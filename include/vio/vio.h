/* SPDX-License-Identifier: MIT */
/**
 * @file vio/vio.h
 * The stable interface of libvio, whole.
 * @mainpage libvio
 * I/O virtualisation for programs that run virtual machines. Begin with
 * @ref ctx, then the object you need: @ref mem and @ref queue for rings,
 * @ref backend for a vhost-user device, @ref dom for a tenant, @ref limit for
 * rates. @ref abi says what holds everywhere.
 */
#ifndef VIO_VIO_H
#define VIO_VIO_H

#include <vio/backend.h>
#include <vio/common.h>
#include <vio/ctx.h>
#include <vio/dom.h>
#include <vio/driver.h>
#include <vio/error.h>
#include <vio/heap.h>
#include <vio/host.h>
#include <vio/mem.h>
#include <vio/meters.h>
#include <vio/pci.h>
#include <vio/queue.h>
#include <vio/resize.h>
#include <vio/version.h>
#include <vio/vf.h>
#include <vio/vfio.h>
#include <vio/vfio_migration.h>
#include <vio/view.h>

#endif /* VIO_VIO_H */
