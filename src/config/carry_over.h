/*
 * What a reload leaves as it was at start: parameters that are ON_RESTART.
 */
#ifndef CONFIG_CARRY_OVER_H
#define CONFIG_CARRY_OVER_H

#include "config/config.h"

/*
 * Gives `new` the values that such parameters have in `old`, copied into its
 * arena.  If `tell`, logs for each that the file has another value.
 */
void config_carry_over(const struct config *old, struct config *new,
    bool tell);

#endif
