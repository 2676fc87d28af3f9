/*
 * The page itself, from status_page.html; made at build time.
 */
#ifndef EXPORTER_STATUS_PAGE_H
#define EXPORTER_STATUS_PAGE_H

#include <stddef.h>

extern const char status_page[];	/* ends in a NUL */
extern const size_t status_page_length;

#endif
