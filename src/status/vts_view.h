/*
 * The showing side of the traffic statistics: what the locations of `vts_status` and `vhost_traffic_status_display` answer.
 *
 *	{location}                                   vts_status: Prometheus text in the dialect of ngx_vts (vts_prom_native.c);
 *	                                             vhost_traffic_status_display: the format that was configured
 *	{location}/format/json|jsonp|html|prometheus the dialect of nginx-module-vts; another name: the configured format
 *	{location}/control                           status, reset and delete of zones (vts_control.h)
 *	{location}/vts.js, vts.css, vts.svg          of the HTML page
 */
#ifndef SLUICE_STATUS_VTS_VIEW_H
#define SLUICE_STATUS_VTS_VIEW_H

#include "conf/conf.h"

/* Registers the directives. Once, after vts_register(). */
void vts_view_register(void);

#endif
