//! How long to wait before another try.

use std::time::Duration;

use jiff::fmt::rfc2822;
use reqwest::header::HeaderMap;

use crate::base::Timestamp;

/// The longest wait that nobody asked for.
const LONGEST: Duration = Duration::from_secs(60);

/// How long the endpoint asks to wait (RFC 9110, `Retry-After`: seconds or a date; and `retry-after-ms`).
pub fn asked(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(ms) = value("retry-after-ms").and_then(|ms| ms.parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(ms / 1000.0).ok();
    }
    let text = value("retry-after")?;
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    // The dates of HTTP are those of mail, with GMT for the zone.
    let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::from_millis(date.as_millisecond().saturating_sub(now.millis()).try_into().unwrap_or(0)))
}

/// How long to wait after so many tries where the endpoint does not say: twice as long each time, less a part by chance
/// (`chance` is in 0..=255), so that those who failed together do not come back together.
pub fn back_off(tries: u32, chance: u8) -> Duration {
    let whole = Duration::from_secs(1 << tries.saturating_sub(1).min(10)).min(LONGEST);
    whole.mul_f64(1.0 - f64::from(chance) / 512.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        [(reqwest::header::HeaderName::from_static(name), reqwest::header::HeaderValue::from_static(value))]
            .into_iter()
            .collect()
    }

    #[test]
    fn an_endpoint_may_ask_in_three_ways() {
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        for (name, value, wait) in [
            ("retry-after", "7", Some(7_000)),
            ("retry-after", "0.5", Some(500)),
            ("retry-after-ms", "250", Some(250)),
            ("retry-after", "Tue, 24 Nov 2026 10:00:30 GMT", Some(30_000)),
            ("retry-after", "Tue, 24 Nov 2026 09:00:30 GMT", Some(0)),
            ("retry-after", "soon", None),
            ("retry-after", "-1", None),
            ("retry-after", "1e300", None),
            ("x-other", "7", None),
        ] {
            assert_eq!(asked(&headers(name, value), now), wait.map(Duration::from_millis), "{name}: {value}");
        }
    }

    #[test]
    fn waits_grow_and_end() {
        let seconds = |tries, chance| back_off(tries, chance).as_secs_f64();
        assert_eq!([seconds(1, 0), seconds(2, 0), seconds(3, 0), seconds(30, 0)], [1.0, 2.0, 4.0, 60.0]);
        assert!(seconds(3, 255) > 2.0 && seconds(3, 255) < 2.1);
    }
}
