/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PATIENCE_H
#define PATIENCE_H

/* What should happen has happened by then, on the slowest emulator. */
#define PATIENCE_MS	30000

#endif /* PATIENCE_H */
