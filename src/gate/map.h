/*
 * `map` and `geo`: variables whose value depends on a text, or on an address, as nginx has them.
 *
 *	map $status $loggable { ~^[23] 0; default 1; }
 *	geo $trusted { default 0; 10.0.0.0/8 1; 2001:db8::/32 1; }
 *
 * They are worked out when they are asked for. map tries exact texts (in any case), then, with
 * `hostnames`, the longest *.suffix and prefix.*, then expressions in order (base/expr.h: bounded, so
 * they may run on tasks). geo takes the longest prefix that holds the address.
 */
#ifndef SLUICE_GATE_MAP_H
#define SLUICE_GATE_MAP_H

/* Registers the rows of each. */
void map_register(void);
void geo_register(void);

#endif
