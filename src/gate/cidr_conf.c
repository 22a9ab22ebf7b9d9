/*
 * See cidr_conf.h.
 */
#include "gate/cidr_conf.h"

int
cidr_conf_add(struct conf *c, const struct conf_node *node, struct str text, struct cidr_table *t,
    uint32_t value)
{
	struct cidr net;

	if (cidr_parse(text, &net) < 0) {
		conf_error(c, node,
		    "\"%.*s\": \"%.*s\" is no network; it takes 192.0.2.0/24, 2001:db8::/32, an "
		    "address, or unix:",
		    STR_ARG(node->name), STR_ARG(text));
		return ERR_CONFIG;
	}
	if (net.host_bits)
		conf_warn(c, node, "\"%.*s\": the bits of \"%.*s\" behind its prefix mean nothing",
		    STR_ARG(node->name), STR_ARG(text));
	return cidr_add(t, conf_arena(c), &net, value);
}

int
cidr_conf_add_all(struct conf *c, struct cidr_table *t, uint32_t value)
{
	static const struct cidr all[] = { { .kind = CIDR_V4 }, { .kind = CIDR_V6 },
		{ .kind = CIDR_UNIX } };
	int err = 0;

	for (size_t i = 0; i < ARRAY_LEN(all) && err == 0; i++)
		err = cidr_add(t, conf_arena(c), &all[i], value);
	return err;
}
