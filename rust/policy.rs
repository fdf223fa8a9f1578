// SPDX-License-Identifier: GPL-2.0

//! Where a connection goes: pure decisions, without a kernel object in them.

#![deny(unsafe_code)]

pub(crate) mod room;
pub(crate) mod select;
