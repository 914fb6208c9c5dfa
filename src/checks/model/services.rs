//! The programs that checks talk to, as a spec states them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A program that checks talk to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Unique in its spec.
    pub id: String,
    /// Argument vector.
    pub command: Vec<String>,
    /// Additional environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Where it listens.
    #[serde(default, skip_serializing_if = "Port::is_auto")]
    pub port: Port,
    /// When it is ready.
    pub ready: Ready,
    /// Argument vector that stops it; a signal to its group without one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

/// Where a service listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Port {
    /// On a free port, told through `$PORT`.
    #[default]
    Auto,
    /// On this one.
    Fixed(u16),
}

impl Port {
    fn is_auto(&self) -> bool {
        *self == Port::Auto
    }
}

impl Serialize for Port {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Port::Auto => s.serialize_str("auto"),
            Port::Fixed(n) => s.serialize_u16(*n),
        }
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Number(i64),
            Word(String),
            Other(serde::de::IgnoredAny),
        }
        match Raw::deserialize(d)? {
            Raw::Number(n @ 1..=65535) => Ok(Port::Fixed(n as u16)),
            Raw::Word(w) if w == "auto" => Ok(Port::Auto),
            Raw::Number(_) | Raw::Word(_) | Raw::Other(_) => {
                Err(serde::de::Error::custom("a port is a number from 1 to 65535, or \"auto\""))
            }
        }
    }
}

/// When a service is ready.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// A path that answers with a status below 400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// Its port accepts a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<bool>,
    /// A pattern that its output matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// How long that may take, seconds.
    #[serde(default = "ready_timeout", skip_serializing_if = "is_ready_timeout")]
    pub timeout_s: u32,
}

fn ready_timeout() -> u32 {
    30
}
fn is_ready_timeout(n: &u32) -> bool {
    *n == ready_timeout()
}
