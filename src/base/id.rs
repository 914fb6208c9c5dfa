//! The names of specs, runs and slices: lower-case ASCII, so that no two differ by case or by Unicode form.

use std::{fmt, str::FromStr};

use crate::base::Timestamp;

/// A text is not an id of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what} id: {rule}")]
pub struct BadId {
    /// Which kind of id was wanted: spec, slice or run.
    pub what: &'static str,
    /// What was given, cut to 80 characters.
    pub text: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

/// Serialises a type as its `Display` text and reads it back by `FromStr`.
macro_rules! string_serde {
    ($t:ty) => {
        impl serde::Serialize for $t {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $t {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use string_serde;

fn is_name(s: &str, underscore: bool) -> bool {
    let mut bytes = s.bytes();
    s.len() <= 63
        && bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || (underscore && b == b'_'))
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $underscore:literal, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(s: &str) -> Result<Self, BadId> {
                if is_name(s, $underscore) {
                    Ok($name(s.to_owned()))
                } else {
                    Err(BadId { what: $what, text: s.chars().take(80).collect(), rule: $rule })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        string_serde!($name);
    };
}

name_id!(
    /// The id of a spec: `[a-z][a-z0-9-]{0,62}`.
    SpecId,
    "spec",
    false,
    "a lower-case letter, then up to 62 lower-case letters, digits or '-'"
);
name_id!(
    /// The id of a slice: `[a-z][a-z0-9_-]{0,62}`.
    SliceId,
    "slice",
    true,
    "a lower-case letter, then up to 62 lower-case letters, digits, '-' or '_'"
);

impl SpecId {
    /// The id that a title suggests: lower-case ASCII words joined by `-`; none when the title has no letter.
    pub fn slug(title: &str) -> Option<SpecId> {
        let mut out = String::new();
        for c in title.chars() {
            if c.is_ascii_alphanumeric() {
                out.push(c.to_ascii_lowercase());
            } else if !out.is_empty() && !out.ends_with('-') {
                out.push('-');
            }
        }
        let start = out.find(|c: char| c.is_ascii_lowercase())?;
        let cut: String = out[start..].chars().take(60).collect();
        cut.trim_end_matches('-').parse().ok()
    }

    /// The same id with a number appended, for a name that is taken; cut so that it stays an id.
    pub fn numbered(&self, n: u32) -> SpecId {
        let suffix = format!("-{n}");
        let keep = self.0.len().min(63 - suffix.len());
        SpecId(format!("{}{suffix}", &self.0[..keep]))
    }
}

/// The id of a run: `<spec>-<yyyymmdd>t<hhmmss>z-<6 hex>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId {
    text: String,
    spec: SpecId,
}

const RUN_RULE: &str = "<spec>-<yyyymmdd>t<hhmmss>z-<6 hex digits>";

impl RunId {
    /// The id of a run of `spec` started at `at`; `nonce` is 6 hex digits.
    pub fn new(spec: &SpecId, at: Timestamp, nonce: &str) -> Result<RunId, BadId> {
        format!("{spec}-{}-{nonce}", at.compact()).parse()
    }
    /// The spec that the run builds.
    pub fn spec(&self) -> &SpecId {
        &self.spec
    }
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for RunId {
    type Err = BadId;
    fn from_str(s: &str) -> Result<Self, BadId> {
        let bad = || BadId { what: "run", text: s.chars().take(120).collect(), rule: RUN_RULE };
        let (rest, nonce) = s.rsplit_once('-').ok_or_else(bad)?;
        let (spec, time) = rest.rsplit_once('-').ok_or_else(bad)?;
        let hex = nonce.len() == 6 && nonce.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let digits = |s: &[u8]| s.iter().all(u8::is_ascii_digit);
        let t = time.as_bytes();
        let stamp = t.len() == 16 && digits(&t[..8]) && t[8] == b't' && digits(&t[9..15]) && t[15] == b'z';
        if !hex || !stamp {
            return Err(bad());
        }
        Ok(RunId { text: s.to_owned(), spec: spec.parse().map_err(|_| bad())? })
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

string_serde!(RunId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_their_rules() {
        for good in ["a", "note-keeper", "a1-"] {
            assert!(good.parse::<SpecId>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "1a", "A", "a_b", "a/b", "a.lock", "é", &"a".repeat(64)] {
            assert!(bad.parse::<SpecId>().is_err(), "{bad}");
        }
        assert!("a_b".parse::<SliceId>().is_ok());
        let spec: SpecId = "note-keeper".parse().unwrap();
        let run = RunId::new(&spec, Timestamp::from_secs(1_700_000_000), "0a1b2c").unwrap();
        assert_eq!(run.as_str(), "note-keeper-20231114t221320z-0a1b2c");
        assert_eq!(run.spec(), &spec);
        for bad in [
            "",
            "a",
            "a-20231114t221320z-0A1b2c",
            "a-20231114221320z-0a1b2c",
            "-20231114t221320z-0a1b2c",
            "a-éé31114t22132-0a1b2c",
        ] {
            assert!(bad.parse::<RunId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn slugs_are_ids() {
        assert_eq!(SpecId::slug("Jot, the note keeper!").unwrap().as_str(), "jot-the-note-keeper");
        assert_eq!(SpecId::slug("3 little pigs").unwrap().as_str(), "little-pigs");
        assert_eq!(SpecId::slug("日本"), None);
        assert_eq!(SpecId::slug(&"x ".repeat(80)).unwrap().numbered(2).as_str().len(), 61);
    }
}
