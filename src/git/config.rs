//! The configuration at every level git has, and who the user is.

use std::{collections::HashMap, ffi::OsStr, sync::OnceLock};

use super::{Error, Repo, Result, Signature, cmd::Git};
use crate::base::Timestamp;

/// All values of all keys, read once, on first use, by `git config`: only git itself knows every level, include and
/// `git -c` exactly, and gix would take them from this process's own environment.
#[derive(Debug, Default)]
pub(super) struct Config(OnceLock<HashMap<String, Vec<Option<String>>>>);

impl Config {
    fn values(&self, git: &Git, key: &str) -> Result<Option<&Vec<Option<String>>>> {
        let all = match self.0.get() {
            Some(all) => all,
            None => {
                let read = load(git)?;
                self.0.get_or_init(|| read)
            }
        };
        Ok(all.get(&normal(key)))
    }
}

fn load(git: &Git) -> Result<HashMap<String, Vec<Option<String>>>> {
    let out = git.config(&["--list", "--includes", "-z"].map(OsStr::new))?.ok()?;
    let mut all: HashMap<String, Vec<Option<String>>> = HashMap::new();
    for item in out.split(|b| *b == 0).filter(|i| !i.is_empty()) {
        let item = String::from_utf8_lossy(item);
        // `key\nvalue`; a key alone is a boolean that is on.
        let (key, value) = match item.split_once('\n') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (item.as_ref(), None),
        };
        all.entry(key.to_owned()).or_default().push(value);
    }
    Ok(all)
}

/// Section and name ignore case, a subsection does not.
fn normal(key: &str) -> String {
    match (key.split_once('.'), key.rsplit_once('.')) {
        (Some((section, _)), Some((head, name))) => {
            format!("{}{}.{}", section.to_lowercase(), &head[section.len()..], name.to_lowercase())
        }
        _ => key.to_lowercase(),
    }
}

/// Integers as git writes them: an optional sign and `k`, `m` or `g`.
fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let (digits, unit) = match text.chars().last()?.to_ascii_lowercase() {
        'k' => (&text[..text.len() - 1], 1 << 10),
        'm' => (&text[..text.len() - 1], 1 << 20),
        'g' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    digits.parse::<i64>().ok()?.checked_mul(unit)
}

fn boolean(value: &Option<String>) -> Option<bool> {
    let Some(text) = value else { return Some(true) };
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" | "" => Some(false),
        other => integer(other).map(|n| n != 0),
    }
}

impl Repo {
    /// A configuration value as text; the last one counts. None where it is unset, or where the configuration cannot be
    /// read (the typed readers say why).
    pub fn config(&self, key: &str) -> Option<String> {
        let values = self.inner.config.values(&self.inner.git, key).ok()??;
        values.last().cloned().map(|v| v.unwrap_or_else(|| "true".into()))
    }

    /// All values of a key, in order.
    pub fn config_all(&self, key: &str) -> Vec<String> {
        let values = self.inner.config.values(&self.inner.git, key).ok().flatten();
        values.into_iter().flatten().map(|v| v.clone().unwrap_or_else(|| "true".into())).collect()
    }

    /// A boolean, as git reads one.
    pub fn config_bool(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "a boolean", boolean)
    }

    /// An integer, as git reads one.
    pub fn config_int(&self, key: &str) -> Result<Option<i64>> {
        self.typed(key, "an integer", |v| integer(v.as_deref()?))
    }

    fn typed<T>(&self, key: &str, wanted: &'static str, f: fn(&Option<String>) -> Option<T>) -> Result<Option<T>> {
        let values = self.inner.config.values(&self.inner.git, key)?;
        let Some(value) = values.and_then(|v| v.last()) else { return Ok(None) };
        let bad = || Error::Config { key: key.into(), value: value.clone().unwrap_or_default(), wanted };
        f(value).map(Some).ok_or_else(bad)
    }

    /// Who writes and who commits: `GIT_AUTHOR_*` and `GIT_COMMITTER_*`, then `author.*` and `committer.*`, then `user.*`,
    /// then `EMAIL`, as git does; never guessed from the machine. Times are `now`: a date in the environment is ignored.
    pub fn identity(&self, now: Timestamp) -> Result<(Signature, Signature)> {
        Ok((self.person("AUTHOR", now)?, self.person("COMMITTER", now)?))
    }

    fn person(&self, role: &str, time: Timestamp) -> Result<Signature> {
        let get = |what: &'static str, key: &'static str, last: Option<&str>| -> Result<String> {
            let env = |name: &str| self.inner.git.env.var(name).map(str::to_owned);
            let named = env(&format!("GIT_{role}_{what}"));
            let role_key = format!("{}.{}", role.to_lowercase(), what.to_lowercase());
            self.inner.config.values(&self.inner.git, key)?;
            let found = named.or_else(|| self.config(&role_key)).or_else(|| self.config(key)).or_else(|| env(last?));
            found.map(|v| clean(&v)).filter(|v| !v.is_empty()).ok_or(Error::NoIdentity(key))
        };
        Ok(Signature { name: get("NAME", "user.name", None)?, email: get("EMAIL", "user.email", Some("EMAIL"))?, time })
    }
}

/// A name or address that can stand in a commit: no `<`, `>`, control characters; no punctuation around it, as git does.
pub(super) fn clean(text: &str) -> String {
    let kept: String = text.chars().filter(|c| !matches!(c, '<' | '>') && !c.is_control()).collect();
    let crud = |c: char| c.is_whitespace() || matches!(c, '.' | ',' | ':' | ';' | '"' | '\\' | '\'');
    kept.trim_matches(crud).to_owned()
}
