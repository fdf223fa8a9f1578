// SPDX-License-Identifier: GPL-2.0

//! Bindings of the module's own, for what the kernel crate's lack.
//!
//! Generated from `bindings_helper.h`; a type that both would define is the
//! kernel crate's, so that it can be passed to it.

#![allow(
    clippy::all,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]

use pin_init::MaybeZeroable;

pub(crate) use kernel::bindings::*;

include!(concat!(env!("TCP_MIGRATE_OBJ"), "/bindings_generated.rs"));
