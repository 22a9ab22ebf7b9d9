/*
 * The ids of messages. See message_id() in message.h; called by delivery, and by ingest for the answer to the client.
 */
#include "message/message.h"
#include "spool/segment.h"

struct id
message_id(struct id segment, uint64_t number, struct str attrs)
{
	struct id id;
	unsigned carry = 0;

	if (attrs.n > 0 && id_parse(segment_get_attr(attrs, SEGMENT_ATTR_IDEM), &id) == 0)
		return id;
	for (unsigned i = ID_LEN; i-- > 0; number >>= 8) {
		unsigned sum = segment.b[i] + (unsigned)(number & 0xff) + carry;

		segment.b[i] = (unsigned char)sum;
		carry = sum >> 8;
	}
	return segment;
}
