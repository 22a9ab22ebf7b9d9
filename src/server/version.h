/*
 * What -V and the Server header say.
 */
#ifndef SLUICE_SERVER_VERSION_H
#define SLUICE_SERVER_VERSION_H

#define SLUICE_VERSION "0.1.0"
#define SLUICE_BUILD "C11, zlib, BearSSL"

#endif
