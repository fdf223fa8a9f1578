/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The program of a group that chooses among listeners when another one stops.
 */
#ifndef CHOOSER_H
#define CHOOSER_H

/* The listeners are of one group. */
void chooser_attach(const int *listeners, int count);
void chooser_detach(int listener);

#endif /* CHOOSER_H */
