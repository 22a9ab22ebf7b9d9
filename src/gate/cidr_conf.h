/*
 * Networks in the configuration: what allow, deny, set_real_ip_from and their like have in common.
 */
#ifndef SLUICE_GATE_CIDR_CONF_H
#define SLUICE_GATE_CIDR_CONF_H

#include "conf/conf.h"
#include "net/cidr.h"

/* Adds text's network to the table, with value; warns of bits behind the prefix. 0, ERR_NOMEM, or
 * ERR_CONFIG after conf_error(). */
int cidr_conf_add(struct conf *c, const struct conf_node *node, struct str text,
    struct cidr_table *t, uint32_t value);
/* The same for every address there is, unix: too. */
int cidr_conf_add_all(struct conf *c, struct cidr_table *t, uint32_t value);

#endif
