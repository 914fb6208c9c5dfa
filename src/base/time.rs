//! Points in time, always UTC, to the millisecond.

use std::{fmt, str::FromStr};

/// Milliseconds since 1970-01-01T00:00:00Z; written as RFC 3339 with three decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch; clamped to the years that RFC 3339 can write.
    pub fn from_millis(ms: i64) -> Self {
        Timestamp(ms.clamp(-62_135_596_800_000, 253_402_207_200_000))
    }
    /// From whole seconds since the epoch.
    pub fn from_secs(secs: i64) -> Self {
        Self::from_millis(secs.saturating_mul(1000))
    }
    /// Milliseconds since the epoch.
    pub fn millis(self) -> i64 {
        self.0
    }
    /// Whole seconds since the epoch, what a commit can hold.
    pub fn secs(self) -> i64 {
        self.0.div_euclid(1000)
    }
    /// `yyyymmddthhmmssz`, as in run ids.
    pub fn compact(self) -> String {
        self.zoned().strftime("%Y%m%dt%H%M%Sz").to_string()
    }
    /// `yyyy-mm-dd hh:mm:ss UTC`, for people.
    pub fn human(self) -> String {
        self.zoned().strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
    }
    fn zoned(self) -> jiff::Zoned {
        let at = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        at.to_zoned(jiff::tz::TimeZone::UTC)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.zoned().strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
    }
}

/// A text is not an RFC 3339 time.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an RFC 3339 time")]
pub struct NotATime(String);

impl FromStr for Timestamp {
    type Err = NotATime;
    fn from_str(s: &str) -> Result<Self, NotATime> {
        let at: jiff::Timestamp = s.parse().map_err(|_| NotATime(s.chars().take(80).collect()))?;
        Ok(Self::from_millis(at.as_millisecond()))
    }
}

crate::base::id::string_serde!(Timestamp);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339_and_read_back() {
        let t = Timestamp::from_millis(1_700_000_000_042);
        assert_eq!(t.to_string(), "2023-11-14T22:13:20.042Z");
        assert_eq!(t.to_string().parse::<Timestamp>().unwrap(), t);
        assert_eq!(
            Timestamp::from_millis(i64::MAX).to_string().parse::<Timestamp>().unwrap(),
            Timestamp::from_millis(i64::MAX)
        );
        assert!("yesterday".parse::<Timestamp>().is_err());
    }
}
