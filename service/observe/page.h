/*
 * page.html as tools/embed_page.py puts it into the program, with the policy that lets a browser
 * run its one script and its one style, and nothing else.
 */
#ifndef SERVICE_PAGE_H
#define SERVICE_PAGE_H

#include <stddef.h>
#include <stdint.h>

extern const uint8_t page_html[];
extern const size_t page_html_len;
extern const char page_policy[]; /* Content-Security-Policy */

#endif
