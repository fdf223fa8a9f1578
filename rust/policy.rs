// SPDX-License-Identifier: GPL-2.0

//! Where a connection goes: pure decisions, without a kernel object in them.

#![deny(unsafe_code)]

mod best;
mod level;
pub(crate) mod outcome;
mod rank;
mod search;
mod share;
mod shortlist;

pub(crate) use self::{
    best::{
        best,
        first, //
    },
    level::Level,
    rank::Candidate,
    search::{
        search,
        Look,
        Search, //
    },
    shortlist::Shortlist,
};

/// How much it counts that two listeners have the same settings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    /// Any listener will do.
    Any = 0,
    /// One with the same settings as the former one is preferred.
    Prefer = 1,
    /// None but one with the same settings will do.
    Require = 2,
}

impl From<u32> for Match {
    fn from(value: u32) -> Self {
        match value {
            0 => Self::Any,
            1 => Self::Prefer,
            _ => Self::Require,
        }
    }
}

/// When connections that a process has accepted, and not looked at, are given back.
#[derive(Clone, Copy)]
pub(crate) enum Unread {
    /// Never.
    Never = 0,
    /// When it dies of a signal.
    Killed = 1,
    /// Whenever it exits.
    AnyExit = 2,
}

impl From<u32> for Unread {
    fn from(value: u32) -> Self {
        match value {
            0 => Self::Never,
            1 => Self::Killed,
            _ => Self::AnyExit,
        }
    }
}

/// What is preferred where several listeners may have a connection.
#[derive(Clone, Copy)]
pub(crate) struct Preferences {
    /// Settings.
    pub(crate) matching: Match,
    /// Room, rather than what the connection's hash says.
    pub(crate) balance: bool,
}
