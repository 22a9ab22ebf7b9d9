/*
 * Texts that are JSON and texts that are not, named as in JSONTestSuite ("Parsing JSON is a
 * Minefield"): y_ must be taken, n_ must not, i_ is left to the implementation by RFC 8259 and
 * decided here. The section of the RFC that decides stands above each group. Included by
 * test_json.c only.
 */
#ifndef SLUICE_TEST_JSON_CASES_H
#define SLUICE_TEST_JSON_CASES_H

#include "base/base.h"

struct json_case {
	const char *name;
	struct str text;
	int64_t bad_at; /* offset of the first byte that cannot be; -1: it is JSON */
};

#define YES(name, text)                       \
	{                                     \
		"y_" name, STR_INIT(text), -1 \
	}
#define NO(name, text, at)                    \
	{                                     \
		"n_" name, STR_INIT(text), at \
	}
#define OWN_YES(name, text)                   \
	{                                     \
		"i_" name, STR_INIT(text), -1 \
	}
#define OWN_NO(name, text, at)                \
	{                                     \
		"i_" name, STR_INIT(text), at \
	}

static const struct json_case json_cases[] = {
	/* 2: grammar, white space */
	YES("structure_white_space", " \t\r\n[ \t\r\n1 \t\r\n, \t\r\n2 \t\r\n] \t\r\n"),
	YES("structure_white_space_in_object", "{ \n\"a\" \n: \n1 \n, \n\"b\" \n: \n2 \n}"),
	YES("structure_lonely_string", "\"asd\""),
	YES("structure_lonely_number", "42"),
	YES("structure_lonely_number_and_space", "-0.1 "),
	YES("structure_lonely_null", "null"),
	NO("structure_nothing", "", 0),
	NO("structure_white_space_only", " \n", 2),
	NO("structure_two_values", "1 2", 2),
	NO("structure_two_objects", "{}{}", 2),
	NO("structure_comma_behind", "{},", 2),
	NO("structure_close_only", "]", 0),
	NO("structure_close_twice", "[]]", 2),
	NO("structure_form_feed", "[\f1]", 1),
	NO("structure_vertical_tab", "[\v1]", 1),
	NO("structure_no_break_space", "[\xc2\xa0]", 1),
	NO("structure_zero_byte", "1\0", 1),
	NO("structure_comment", "[1/* */]", 2),
	NO("structure_line_comment", "1 // x", 2),
	NO("structure_unclosed_array", "[1", 2),
	NO("structure_unclosed_object", "{\"a\":1", 6),
	/* 3: values */
	YES("literal_all", "[true,false,null]"),
	NO("literal_capital", "True", 0),
	NO("literal_cut", "tru", 3),
	NO("literal_cut_in_array", "[nul]", 4),
	NO("literal_wrong", "falsy", 4),
	NO("literal_longer", "nulla", 4),
	NO("literal_undefined", "undefined", 0),
	NO("literal_nan", "NaN", 0),
	NO("literal_infinity", "-Infinity", 1),
	/* 4: objects */
	YES("object_empty", "{}"),
	YES("object_empty_name", "{\"\":0}"),
	YES("object_nested", "{\"a\":{\"b\":{\"c\":[{}]}}}"),
	YES("object_equal_names", "{\"a\":1,\"a\":2}"),
	YES("object_escaped_name", "{\"\\u0061\\n\":1}"),
	NO("object_trailing_comma", "{\"a\":1,}", 7),
	NO("object_comma_first", "{,\"a\":1}", 1),
	NO("object_two_commas", "{\"a\":1,,\"b\":2}", 7),
	NO("object_no_colon", "{\"a\" 1}", 5),
	NO("object_no_value", "{\"a\":}", 5),
	NO("object_name_only", "{\"a\"}", 4),
	NO("object_two_colons", "{\"a\"::1}", 5),
	NO("object_number_as_name", "{1:1}", 1),
	NO("object_bare_name", "{a:1}", 1),
	NO("object_single_quotes", "{'a':1}", 1),
	NO("object_closed_by_bracket", "{\"a\":1]", 6),
	NO("object_missing_comma", "{\"a\":1 \"b\":2}", 7),
	/* 5: arrays */
	YES("array_empty", "[]"),
	YES("array_of_all", "[[],{},\"\",0,-1,true,null]"),
	YES("array_of_arrays", "[[[[]],[]]]"),
	NO("array_trailing_comma", "[1,]", 3),
	NO("array_comma_only", "[,]", 1),
	NO("array_two_commas", "[1,,2]", 3),
	NO("array_missing_comma", "[1 2]", 3),
	NO("array_closed_by_brace", "[1}", 2),
	NO("array_colon", "[\"a\":1]", 4),
	NO("array_inner_unclosed", "[[1]", 4),
	/* 6: numbers */
	YES("number_zero", "0"),
	YES("number_minus_zero", "-0"),
	YES("number_fraction", "0.5"),
	YES("number_exponent", "[1e1,1E1,1e+1,1e-1,1.5E+10,0e0,-0.0e-0]"),
	YES("number_long", "123456789012345678901234567890"),
	OWN_YES("number_huge_exponent", "[1e400,-1e-400]"),
	NO("number_minus", "-", 1),
	NO("number_minus_in_array", "[-]", 2),
	NO("number_plus", "+1", 0),
	NO("number_two_minus", "--1", 1),
	NO("number_leading_zero", "01", 1),
	NO("number_minus_leading_zero", "-01", 2),
	NO("number_point_first", ".5", 0),
	NO("number_minus_point", "-.5", 1),
	NO("number_point_last", "1.", 2),
	NO("number_point_exponent", "1.e1", 2),
	NO("number_exponent_empty", "1e", 2),
	NO("number_exponent_sign_only", "[1e+]", 4),
	NO("number_two_points", "1.2.3", 3),
	NO("number_two_exponents", "1e2e3", 3),
	NO("number_hexadecimal", "0x1", 1),
	NO("number_letter", "[1a]", 2),
	NO("number_inner_space", "[1 000]", 3),
	NO("number_fullwidth_digit", "[\xef\xbc\x91]", 1),
	/* 7: strings */
	YES("string_empty", "\"\""),
	YES("string_all_escapes", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uaBcD\""),
	YES("string_delete", "\"a\x7f\""),
	YES("string_pair", "\"\\ud83d\\ude00\""),
	YES("string_long", "\"0123456789abcdef0123456789abcdef0123456789abcdef\""),
	YES("string_comment_inside", "[\"/* */ // #\"]"),
	NO("string_unclosed", "\"abc", 4),
	NO("string_unclosed_escape", "\"\\\"", 3),
	NO("string_single_quotes", "['a']", 1),
	NO("string_newline", "\"a\nb\"", 2),
	NO("string_tab", "\"\t\"", 1),
	NO("string_zero", "\"a\0\"", 2),
	NO("string_unit_separator", "\"\x1f\"", 1),
	NO("string_unknown_escape", "\"\\x41\"", 2),
	NO("string_zero_escape", "\"\\\0\"", 2),
	NO("string_capital_u", "\"\\U0041\"", 2),
	NO("string_short_unicode", "\"\\u12\"", 5),
	NO("string_bad_unicode", "\"\\u12g4\"", 5),
	NO("string_control_behind_a_long_run", "\"0123456789abcdef0123456\x01\"", 24),
	/* 8.1: byte order mark; it may be ignored, we do not */
	OWN_NO("encoding_byte_order_mark", "\xef\xbb\xbf{}", 0),
	NO("encoding_utf16", "[\0\"\0]\0", 1),
	/* 8.1, and RFC 3629: UTF-8 */
	YES("utf8_two", "\"\xc2\x80\xdf\xbf\""),
	YES("utf8_three", "\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\""),
	YES("utf8_four", "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""),
	YES("utf8_line_separator", "\"\xe2\x80\xa8\""),
	YES("utf8_in_name", "{\"\xc3\xa9\":1}"),
	NO("utf8_lone_continuation", "\"\x80\"", 1),
	NO("utf8_cut", "\"\xe2\x82\"", 3),
	NO("utf8_cut_at_end", "\"\xe2\x82", 3),
	NO("utf8_overlong_two", "\"\xc0\xaf\"", 1),
	NO("utf8_overlong_three", "\"\xe0\x9f\xbf\"", 2),
	NO("utf8_overlong_four", "\"\xf0\x8f\xbf\xbf\"", 2),
	NO("utf8_surrogate", "\"\xed\xa0\x80\"", 2),
	NO("utf8_too_high", "\"\xf4\x90\x80\x80\"", 2),
	NO("utf8_lead_f5", "\"\xf5\x80\x80\x80\"", 1),
	NO("utf8_latin1", "\"\xe9 \"", 2),
	NO("utf8_outside_string", "[\xc3\xa9]", 1),
	/* 8.2: half a surrogate pair in an escape follows the grammar */
	OWN_YES("surrogate_lone_high", "\"\\ud800\""),
	OWN_YES("surrogate_lone_low", "\"\\udc00\""),
	OWN_YES("surrogate_reversed", "\"\\udc00\\ud800\""),
};

#undef YES
#undef NO
#undef OWN_YES
#undef OWN_NO

#endif
