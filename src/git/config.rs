//! The configuration at every level git has, and who the user is.

use std::{collections::HashMap, ffi::OsStr, sync::OnceLock};

use super::{BStr, Error, Head, Mode, Repo, Result, Signature, cmd::Git};
use crate::base::{Timestamp, keys, text};

/// All values of all keys, read once, on first use, by `git config`: only git itself knows every level, include and
/// `git -c` exactly, and gix would take them from this process's own environment.
#[derive(Debug, Default)]
pub(super) struct Config {
    own: OnceLock<Values>,
    tracked: OnceLock<Values>,
}

/// What is set, by key. A key without a value is a boolean that is on.
type Values = HashMap<String, Vec<Option<String>>>;

/// Where the tracked configuration is, in HEAD's tree.
const TRACKED: &str = ".otto/config";

/// The largest one that is read.
const MAX_TRACKED: u64 = 64 << 10;

/// One value of the configuration, and where it is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The key as git spells it: section and variable in lower case.
    pub key: String,
    /// Its value; a key alone is a boolean that is on.
    pub value: String,
    /// The level: `system`, `global`, `local`, `worktree`, `command`, or `tracked`.
    pub scope: String,
    /// The file or command line, as git names it.
    pub origin: String,
}

/// Set on the command line, which git lists last. git does not tell that it could not write all of an answer to a pipe:
/// without this it was cut off, and what is missing is not what is unset.
const LAST: &str = "gitotto.last";

fn load(git: &Git) -> Result<Values> {
    let out = git.all_config(LAST)?;
    let cut_off = Error::CutOff("config --list");
    let mut all = parsed(&out.ok()?);
    all.remove(LAST).map(|_| all).ok_or(cut_off)
}

fn parsed(out: &[u8]) -> Values {
    let mut all = Values::new();
    for item in out.split(|b| *b == 0).filter(|i| !i.is_empty()) {
        let (key, value) = key_and_value(item);
        all.entry(key).or_default().push(value);
    }
    all
}

/// `key\nvalue`; a key alone is a boolean that is on.
fn key_and_value(item: &[u8]) -> (String, Option<String>) {
    let item = String::from_utf8_lossy(item);
    match item.split_once('\n') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (item.into_owned(), None),
    }
}

/// What was read once, or is now.
fn kept(cell: &OnceLock<Values>, read: impl FnOnce() -> Result<Values>) -> Result<&Values> {
    match cell.get() {
        Some(values) => Ok(values),
        None => {
            let values = read()?;
            Ok(cell.get_or_init(|| values))
        }
    }
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
    /// All values of a key: the user's own, at whatever level; else, of keys that a repository may say, those of its
    /// tracked file.
    fn values(&self, key: &str) -> Result<Option<&Vec<Option<String>>>> {
        let (config, name) = (&self.inner.config, normal(key));
        let own = kept(&config.own, || load(&self.inner.git))?.get(&name);
        match own {
            None if keys::find(key).is_some_and(|key| key.is_shared) => {
                Ok(kept(&config.tracked, || self.load_tracked())?.get(&name))
            }
            own => Ok(own),
        }
    }

    /// What the tracked file of HEAD sets, whether it may or not.
    fn load_tracked(&self) -> Result<Values> {
        let (Head::Branch(_, Some(commit)) | Head::Detached(commit)) = self.head()? else { return Ok(Values::new()) };
        let found = self.entry(self.read_commit(commit)?.tree, BStr::new(TRACKED))?;
        let Some(entry) = found.filter(|e| matches!(e.mode, Mode::Plain | Mode::Executable)) else {
            return Ok(Values::new());
        };
        let bytes = self.read_blob(entry.oid, MAX_TRACKED)?;
        // Only this one text: no other file, no include, nothing that the environment gives.
        let out = self.git(&["config", "--file", "-", "--no-includes", "--list", "-z"], Some(&bytes))?;
        match out.code {
            Some(0) => Ok(parsed(&out.stdout)),
            _ => Err(Error::TrackedConfig(text::one_line(&out.stderr, 200))),
        }
    }

    /// Everything that is set in a section, weakest first, with where. What the tracked file says stands before all else,
    /// also what it may not say.
    pub fn settings(&self, section: &str) -> Result<Vec<Setting>> {
        let mut all = Vec::new();
        let mut tracked: Vec<_> = kept(&self.inner.config.tracked, || self.load_tracked())?.iter().collect();
        tracked.sort_unstable();
        for (key, value) in tracked.into_iter().flat_map(|(key, values)| values.iter().map(move |v| (key, v))) {
            let value = value.clone().unwrap_or_else(|| "true".into());
            let origin = format!("HEAD:{TRACKED}");
            all.push(Setting { key: key.clone(), value, scope: "tracked".into(), origin });
        }
        let args = ["--list", "--includes", "-z", "--show-scope", "--show-origin"].map(OsStr::new);
        let out = self.inner.git.config(&args)?.ok()?;
        for item in out.split(|b| *b == 0).collect::<Vec<_>>().chunks_exact(3) {
            let [scope, origin, item] = item else { continue };
            let (key, value) = key_and_value(item);
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let value = value.unwrap_or_else(|| "true".into());
            all.push(Setting { key, value, scope: text(scope), origin: text(origin) });
        }
        all.retain(|s| s.key.split_once('.').is_some_and(|(of, _)| of == section));
        Ok(all)
    }

    /// Sets a configuration value of this repository, in place of those that it has.
    pub fn set_config(&self, key: &str, value: &str) -> Result<()> {
        self.inner.git.config(&["--local", "--replace-all", key, value].map(OsStr::new))?.ok().map(drop)
    }

    /// A configuration value as text; the last one counts. None where it is unset, or where the configuration cannot be
    /// read (the typed readers say why).
    pub fn config(&self, key: &str) -> Option<String> {
        let values = self.values(key).ok()??;
        values.last().cloned().map(|v| v.unwrap_or_else(|| "true".into()))
    }

    /// All values of a key, in order.
    pub fn config_all(&self, key: &str) -> Vec<String> {
        let values = self.values(key).ok().flatten();
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
        let values = self.values(key)?;
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
            self.values(key)?;
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
