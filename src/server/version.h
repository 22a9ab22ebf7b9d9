/*
 * What -V and the Server header say.
 */
#ifndef SLUICE_SERVER_VERSION_H
#define SLUICE_SERVER_VERSION_H

#include "config.h" /* SLUICE_VERSION */

#define SLUICE_BUILD "C11, zlib, BearSSL"

#endif
