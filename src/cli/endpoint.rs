//! Where a model over HTTP is reached, with which key, at which price.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    agent::{Endpoint, Key, Provider},
    base::{Exit, Failure, text::one_line},
    cli::Start,
    store::Store,
};

/// How long the user's credential helpers may take: one may have to be unlocked.
const PATIENCE: Duration = Duration::from_secs(30);

/// What there is to know of one provider.
struct Known {
    public: &'static str,
    key: &'static str,
    url_variable: &'static str,
    url: &'static str,
    price: &'static str,
}

fn known(provider: &Provider) -> Option<Known> {
    match provider {
        Provider::Anthropic => Some(Known {
            public: "https://api.anthropic.com",
            key: "ANTHROPIC_API_KEY",
            url_variable: "ANTHROPIC_BASE_URL",
            url: "otto.anthropic.url",
            price: "otto.anthropic.price",
        }),
        Provider::OpenAi => Some(Known {
            public: "https://api.openai.com",
            key: "OPENAI_API_KEY",
            url_variable: "OPENAI_BASE_URL",
            url: "otto.openai.url",
            price: "otto.openai.price",
        }),
        _ => None,
    }
}

/// The variable that has a provider's key.
pub fn key_variable(provider: &Provider) -> Option<&'static str> {
    known(provider).map(|known| known.key)
}

/// Where a model over HTTP is reached: `otto.<provider>.url`, the key from the environment or from git's credential
/// helpers, never from the configuration. Without a repository the environment alone is asked.
pub fn of(start: &Start, store: Option<&Store>, provider: &Provider) -> Result<Endpoint, Failure> {
    let Some(known) = known(provider) else { return Ok(Endpoint::default()) };
    let env = |name: &str| start.world.env.var(name).filter(|v| !v.trim().is_empty()).map(str::to_owned);
    let config = |key: &str| store.and_then(|store| store.repo.config(key));
    let url = config(known.url).or_else(|| env(known.url_variable));
    let at = url.as_deref().unwrap_or(known.public);
    let mut why = "no credential helper of git knows one".to_owned();
    let key = match (env(known.key), store) {
        (Some(key), _) => Some(Key::new(key)),
        (None, None) => None,
        (None, Some(store)) => helped(start, store, at).unwrap_or_else(|e| {
            why = e;
            None
        }),
    };
    if key.is_none() && (url.is_none() || *provider == Provider::Anthropic) {
        let Known { key, .. } = known;
        let text = format!("{provider} has no key: {key} is not set, and {why} for {}", one_line(at, 200));
        let hint = format!("export {key}=<key>\nor give it to a credential helper: git credential approve");
        return Err(Failure::new(Exit::Agent, text).hint(hint));
    }
    let price = config(known.price).map(|text| price(known.price, &text)).transpose()?;
    Ok(Endpoint { url, key, price })
}

/// What git's credential helpers have said, by URL: the key, or why there is none.
pub type Keys = Mutex<BTreeMap<String, Result<Option<Key>, String>>>;

/// What git's credential helpers know for a URL; an error says why they do not say.
fn helped(start: &Start, store: &Store, url: &str) -> Result<Option<Key>, String> {
    let mut keys = start.keys.lock().unwrap_or_else(PoisonError::into_inner);
    keys.entry(url.to_owned()).or_insert_with(|| ask(start, store, url)).clone()
}

fn ask(start: &Start, store: &Store, url: &str) -> Result<Option<Key>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    let asked = runtime.block_on(store.repo.credential(&*start.world.procs, url, PATIENCE));
    asked
        .map(|key| key.map(Key::new))
        .map_err(|e| format!("git's credential helpers do not say ({})", one_line(&e.to_string(), 200)))
}

/// Two amounts: for a million tokens read, and written.
fn price(key: &str, text: &str) -> Result<(u64, u64), Failure> {
    let parts: Vec<Option<f64>> = text.split_whitespace().map(|p| p.parse().ok()).collect();
    match parts[..] {
        [Some(read), Some(written)] if (0.0..1e6).contains(&read) && (0.0..1e6).contains(&written) => {
            Ok(((read * 1e6) as u64, (written * 1e6) as u64))
        }
        _ => {
            let text = format!("{key} is {:?}; it must be two amounts in US dollars", one_line(text, 80));
            let hint = format!("git config {key} '3 15'    (for a million tokens read, written)");
            Err(Failure::new(Exit::Usage, text).hint(hint))
        }
    }
}
