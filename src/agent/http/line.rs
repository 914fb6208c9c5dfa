//! The line to an endpoint: one request and the stream that answers it, within bounds, again where that may help.

use std::{
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use eventsource_stream::{EventStreamError, Eventsource as _};
use futures_util::{StreamExt as _, stream};
use reqwest::{Client, NoProxy, Proxy, Response, Url, header::HeaderMap};
use serde_json::Value;

use super::{
    super::{Agent, Call, Event, Trouble},
    dialect::{self, ApiError, Dialect, LARGEST_EVENT, Meaning, Reader, Unread},
    secrets::Secrets,
    talk::{Reply, Tokens},
    wait,
};
use crate::base::{
    Env, World,
    http::{self, chain},
};

/// How often a request is sent at most.
const TRIES: u32 = 5;

/// The longest stream that is read, bytes.
const LONGEST_STREAM: usize = 32 << 20;

/// How much of an error's body is read, bytes.
pub const ERROR_BODY: usize = 64 << 10;

/// An open line to one endpoint, for one call.
pub struct Line<'a> {
    world: &'a World,
    call: &'a Call<'a>,
    dialect: &'a dyn Dialect,
    secrets: &'a Secrets,
    client: Client,
    url: Url,
    headers: HeaderMap,
    /// When the call began.
    begun: Instant,
}

/// Why a request has no reply.
#[derive(Debug)]
pub struct Broken {
    /// What happened, redacted.
    pub why: String,
    /// What it means.
    pub meaning: Meaning,
    /// How long the endpoint asks to wait before another try.
    after: Option<Duration>,
}

impl Broken {
    fn new(meaning: Meaning, why: impl Into<String>) -> Broken {
        Broken { why: why.into(), meaning, after: None }
    }
    /// Why no try would help before a person has done something.
    pub fn trouble(&self) -> Option<Trouble> {
        match self.meaning {
            Meaning::Trouble(trouble) => Some(trouble),
            _ => None,
        }
    }
}

impl<'a> Line<'a> {
    /// Opens a line; nothing is sent yet.
    pub fn open(
        world: &'a World,
        agent: &Agent,
        call: &'a Call<'a>,
        dialect: &'a dyn Dialect,
        secrets: &'a Secrets,
    ) -> Result<Line<'a>, Broken> {
        let failed = |why: String| Broken::new(Meaning::Failed, why);
        let key = agent.endpoint.key();
        let base = agent.endpoint.url.as_deref();
        let login = |why: &str| Broken::new(Meaning::Trouble(Trouble::Login), why);
        if base.is_none() && key.is_none() {
            return Err(login("no key is set for it"));
        }
        let url = dialect::url(dialect, base, key, dialect.resource()).map_err(failed)?;
        let headers = dialect::headers(dialect, key).map_err(login)?;
        let client = client(&world.env).map_err(|e| failed(format!("no connection can be prepared: {}", chain(&e))))?;
        Ok(Line { world, call, dialect, secrets, client, url, headers, begun: world.clock.mono() })
    }

    /// How much time is left for the call.
    pub fn left(&self) -> Duration {
        let ran = self.world.clock.mono().saturating_duration_since(self.begun);
        self.call.bounds.wall.saturating_sub(ran)
    }

    /// Asks until there is a reply or no hope for one. Whatever was taken is counted, for tries that failed too.
    pub async fn ask(&self, body: &Value, tokens: &mut Tokens) -> Result<Reply, Broken> {
        let mut tries = 1;
        loop {
            let broken = match self.once(body, tokens).await {
                Ok(reply) => return Ok(reply),
                Err(broken) if broken.meaning != Meaning::Again => return Err(broken),
                Err(broken) => broken,
            };
            let why = broken.why;
            if tries == TRIES {
                return Err(Broken::new(Meaning::Failed, format!("{why}; it was tried {TRIES} times")));
            }
            let chance = self.world.ids.hex(2).ok().and_then(|hex| u8::from_str_radix(&hex, 16).ok()).unwrap_or(0);
            let wait = broken.after.unwrap_or_else(|| wait::back_off(tries, chance));
            let seconds = wait.as_secs_f64();
            if wait >= self.left() {
                let left = self.left().as_secs();
                return Err(Broken::new(
                    Meaning::Failed,
                    format!("{why}; it could be asked again in {seconds:.0} s, and {left} s are left"),
                ));
            }
            tries += 1;
            (self.call.notice)(Event::Waiting(format!("{why}; try {tries} of {TRIES} in {seconds:.1} s")));
            self.world.clock.sleep(wait).await;
        }
    }

    async fn once(&self, body: &Value, tokens: &mut Tokens) -> Result<Reply, Broken> {
        let request = self.client.post(self.url.clone()).headers(self.headers.clone()).json(body);
        let response = self.within(request.send()).await?;
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        let mut reader = self.dialect.reader();
        let read = self.read(response, reader.as_mut()).await;
        tokens.add(reader.tokens());
        // What comes after the last word, and whether it comes at all, does not matter.
        match (read, reader.reply()) {
            (Err(broken), _) if broken.meaning != Meaning::Again => Err(broken),
            (_, Some(reply)) => Ok(reply),
            (Err(broken), None) => Err(broken),
            (Ok(()), None) => Err(Broken::new(Meaning::Again, "its answer ended before its end")),
        }
    }

    /// Reads the events of a stream until the last one or the end.
    async fn read(&self, response: Response, reader: &mut dyn Reader) -> Result<(), Broken> {
        // Bytes since the last event: an event is held in memory until it is whole.
        let held = AtomicUsize::new(0);
        let count = &held;
        let pieces = stream::try_unfold((response, 0), |(mut response, total)| async move {
            let Some(piece) = self.within(response.chunk()).await? else { return Ok(None) };
            let total = total + piece.len();
            if total > LONGEST_STREAM {
                return Err(Broken::new(Meaning::Failed, "its answer does not end"));
            }
            if count.fetch_add(piece.len(), Relaxed) > LARGEST_EVENT {
                return Err(Broken::new(Meaning::Failed, "an event of its answer is too large"));
            }
            Ok(Some((piece, (response, total))))
        });
        let mut events = pin!(pieces.eventsource());
        while let Some(event) = events.next().await {
            held.store(0, Relaxed);
            let event = event.map_err(|e| match e {
                EventStreamError::Transport(broken) => broken,
                _ => Broken::new(Meaning::Again, "its answer is no stream of events"),
            })?;
            match reader.event(&event.data) {
                Ok(false) => {}
                Ok(true) => break,
                Err(Unread::Malformed(why)) => {
                    let why = self.secrets.line(&why);
                    return Err(Broken::new(Meaning::Again, format!("its answer is malformed: {why}")));
                }
                Err(Unread::Error(error)) => return Err(self.error(error.status(), &error, None)),
            }
        }
        Ok(())
    }

    /// What an answer with an error's status means.
    async fn refusal(&self, mut response: Response) -> Broken {
        let status = response.status().as_u16();
        if response.status().is_redirection() {
            // The key would go to whoever the answer names.
            return Broken::new(
                Meaning::Failed,
                format!("it answers from elsewhere (status {status}), and is not followed"),
            );
        }
        let after = wait::asked(response.headers(), self.world.clock.now());
        let mut body = Vec::new();
        while let Ok(Some(piece)) = self.within(response.chunk()).await {
            body.extend_from_slice(&piece);
            if body.len() > ERROR_BODY {
                break;
            }
        }
        self.error(status, &ApiError::of_body(&body), after)
    }

    fn error(&self, status: u16, error: &ApiError, after: Option<Duration>) -> Broken {
        let said = self.secrets.line(&error.message);
        let said = if said.is_empty() { said } else { format!(": {said}") };
        Broken { why: format!("it answers with status {status}{said}"), meaning: error.means(status), after }
    }

    /// Waits for something of the endpoint's, as long as it may be silent and the call may run.
    async fn within<T>(&self, what: impl Future<Output = reqwest::Result<T>>) -> Result<T, Broken> {
        let left = self.left();
        let patience = self.call.bounds.idle.map_or(left, |idle| idle.min(left));
        match tokio::time::timeout(patience, what).await {
            Ok(Ok(done)) => {
                (self.call.notice)(Event::Stirred);
                Ok(done)
            }
            Ok(Err(e)) => {
                let why = self.secrets.line(&chain(&e.without_url()));
                Err(Broken::new(Meaning::Again, format!("the connection to it broke: {why}")))
            }
            Err(_) if patience < left => {
                Err(Broken::new(Meaning::Again, format!("it was silent for more than {:.0} s", patience.as_secs_f64())))
            }
            Err(_) => {
                let wall = self.call.bounds.wall.as_secs();
                Err(Broken::new(Meaning::Failed, format!("it ran for more than {wall} s and was ended")))
            }
        }
    }
}

/// A client that follows no redirect and uses the proxies of the user's environment, but for this machine.
pub fn client(env: &Env) -> reqwest::Result<Client> {
    let set = |names: [&str; 2]| names.into_iter().find_map(|name| env.var(name).filter(|value| !value.is_empty()));
    let here = "localhost,127.0.0.0/8,::1";
    let none = set(["no_proxy", "NO_PROXY"]).map_or(here.to_owned(), |named| format!("{named},{here}"));
    let mut builder = http::builder();
    if let Some(url) = set(["https_proxy", "HTTPS_PROXY"]) {
        builder = builder.proxy(Proxy::https(url)?.no_proxy(NoProxy::from_string(&none)));
    }
    if let Some(url) = set(["http_proxy", "HTTP_PROXY"]) {
        builder = builder.proxy(Proxy::http(url)?.no_proxy(NoProxy::from_string(&none)));
    }
    if let Some(url) = set(["all_proxy", "ALL_PROXY"]) {
        builder = builder.proxy(Proxy::all(url)?.no_proxy(NoProxy::from_string(&none)));
    }
    builder.build()
}
