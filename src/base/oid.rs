//! Object ids of git, SHA-1 or SHA-256.

use std::{fmt, str::FromStr};

/// The id of a git object, in the hash of its repository; written as 40 or 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(pub gix::ObjectId);

impl Oid {
    /// The id of nothing, as git writes it: forty zeros.
    pub const NULL: Oid = Oid(gix::ObjectId::null(gix::hash::Kind::Sha1));

    /// The first 10 hex digits, for people.
    pub fn short(&self) -> String {
        self.0.to_hex_with_len(10).to_string()
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Oid({})", self.0)
    }
}

impl From<gix::ObjectId> for Oid {
    fn from(id: gix::ObjectId) -> Self {
        Oid(id)
    }
}

/// A text is not a full object id.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an object id: 40 or 64 hex digits")]
pub struct NotAnOid(String);

impl FromStr for Oid {
    type Err = NotAnOid;
    fn from_str(s: &str) -> Result<Self, NotAnOid> {
        gix::ObjectId::from_hex(s.as_bytes()).map(Oid).map_err(|_| NotAnOid(s.chars().take(80).collect()))
    }
}

crate::base::id::string_serde!(Oid);
