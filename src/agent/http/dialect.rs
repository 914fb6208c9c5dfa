//! What the two protocols have in common: where requests go, how they are made, how streams are read, what errors mean.

use reqwest::{
    Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    super::{Key, Trouble},
    talk::{Ask, Reply, Tokens},
};
use crate::base::json;

/// The largest event of a stream.
pub const LARGEST_EVENT: usize = json::Limits::LINE.size;

/// A protocol.
pub trait Dialect: Send + Sync {
    /// The base URL of the public service.
    fn home(&self) -> &'static str;
    /// What stands between a base URL with this path and the names of resources.
    fn version(&self, base: &str) -> &'static str;
    /// The resource that is asked for a reply.
    fn resource(&self) -> &'static str;
    /// The headers that a request has besides the key's.
    fn headers(&self) -> &'static [(&'static str, &'static str)];
    /// The header that carries the key.
    fn key(&self, key: &str) -> (HeaderName, String);
    /// The body of a request.
    fn body(&self, ask: &Ask<'_>) -> Value;
    /// Who reads the stream that answers it.
    fn reader(&self) -> Box<dyn Reader>;
}

/// Reads one stream, event by event.
pub trait Reader: Send {
    /// Reads the data of one event; whether it was the last one.
    fn event(&mut self, data: &str) -> Result<bool, Unread>;
    /// What it took so far.
    fn tokens(&self) -> Tokens;
    /// The reply, where it is whole.
    fn reply(&mut self) -> Option<Reply>;
}

/// An event that says nothing good.
#[derive(Debug)]
pub enum Unread {
    /// It is not what the protocol says.
    Malformed(String),
    /// It tells an error.
    Error(ApiError),
}

impl From<json::Error> for Unread {
    fn from(e: json::Error) -> Self {
        Unread::Malformed(e.to_string())
    }
}

/// An error as endpoints tell it: in an object or as a plain text, with a kind or a code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiError {
    /// The kind and the code, whichever there are.
    pub kinds: Vec<String>,
    /// What it says.
    pub message: String,
}

impl ApiError {
    /// Reads the value of a body or of an event: `{"error": {"type", "code", "message"}}` and its relatives.
    pub fn read(value: &Value) -> ApiError {
        let error = value.get("error").unwrap_or(value);
        let kinds = ["type", "code", "status"].iter().filter_map(|name| match error.get(name)? {
            Value::String(kind) => Some(kind.clone()),
            Value::Number(code) => Some(code.to_string()),
            _ => None,
        });
        let message = [error, &error["message"], &value["message"], &value["detail"]];
        let message = message.into_iter().find_map(Value::as_str).unwrap_or_default().to_owned();
        ApiError { kinds: kinds.collect(), message }
    }

    /// Reads a body, which need not be JSON.
    pub fn of_body(body: &[u8]) -> ApiError {
        match json::parse(body, json::Limits::LINE) {
            Ok(value) => ApiError::read(&value),
            Err(_) => ApiError { message: String::from_utf8_lossy(body).into_owned(), ..ApiError::default() },
        }
    }

    fn is(&self, kinds: &[&str]) -> bool {
        self.kinds.iter().any(|kind| kinds.contains(&kind.as_str()))
    }

    /// The status that an error in the middle of a stream stands for.
    pub fn status(&self) -> u16 {
        let of = |kind: &String| {
            Some(match kind.as_str() {
                "invalid_request_error" => 400,
                "authentication_error" => 401,
                "billing_error" => 402,
                "permission_error" => 403,
                "not_found_error" => 404,
                "request_too_large" => 413,
                "rate_limit_error" | "rate_limit_exceeded" => 429,
                "timeout_error" => 504,
                "overloaded_error" => 529,
                code => code.parse().ok().filter(|status| (400..600).contains(status))?,
            })
        };
        self.kinds.iter().find_map(of).unwrap_or(500)
    }

    /// What is to be done about it.
    pub fn means(&self, status: u16) -> Meaning {
        let quota = ["insufficient_quota", "billing_error", "billing_hard_limit_reached"];
        if status == 402 || self.is(&quota) || self.message.contains("credit balance is too low") {
            return Meaning::Trouble(Trouble::Quota);
        }
        match status {
            401 | 403 => Meaning::Trouble(Trouble::Login),
            404 => Meaning::Trouble(Trouble::Model),
            _ if self.is(&["model_not_found"]) => Meaning::Trouble(Trouble::Model),
            408 | 409 | 429 | 500 | 502 | 503 | 504 | 529 => Meaning::Again,
            400 | 422 => Meaning::Refused,
            _ => Meaning::Failed,
        }
    }
}

/// What an error means for the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Another try may succeed.
    Again,
    /// The request is not to its liking: one with less in it may be.
    Refused,
    /// No try will succeed before a person has done something.
    Trouble(Trouble),
    /// Anything else that does not get better by another try.
    Failed,
}

/// Where a resource is: below the base URL of the user's or of the public service, checked.
pub fn url(dialect: &dyn Dialect, base: Option<&str>, key: Option<&Key>, resource: &str) -> Result<Url, String> {
    let text = base.unwrap_or(dialect.home());
    let mut url = Url::parse(text).map_err(|e| format!("its URL is none: {e}"))?;
    let loopback = match url.host_str().map(|host| host.trim_matches(['[', ']'])) {
        Some("localhost") => true,
        Some(host) => host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        None => return Err("its URL names no host".into()),
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback || key.is_none() => {}
        "http" => return Err("its key would be sent in the clear: its URL must begin with https://".into()),
        other => return Err(format!("its URL begins with {other}:// and not with https://")),
    }
    let base = url.path().trim_end_matches('/').to_owned();
    let path = format!("{base}{}{resource}", dialect.version(&base));
    url.set_path(&path);
    url.set_fragment(None);
    Ok(url)
}

/// The headers of every request.
pub fn headers(dialect: &dyn Dialect, key: Option<&Key>) -> Result<HeaderMap, &'static str> {
    let mut out = HeaderMap::new();
    for (name, value) in dialect.headers() {
        out.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if let Some(key) = key {
        let (name, value) = dialect.key(key.reveal().trim());
        let mut value = HeaderValue::from_str(&value).map_err(|_| "its key holds characters that no key has")?;
        value.set_sensitive(true);
        out.insert(name, value);
    }
    Ok(out)
}

/// Reads an event's data into a type.
pub fn event<T: DeserializeOwned>(data: &str) -> Result<T, Unread> {
    Ok(json::read(data.as_bytes(), json::Limits::LINE)?)
}
