//! Every key of the configuration, once: its type, its default, what it says, and who may say it.

use super::text::one_line;

/// A key of the section `otto`.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its full name.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// What counts where nothing is set; empty for none.
    pub default: &'static str,
    /// What it is for, one sentence.
    pub says: &'static str,
    /// Whether the tracked file `.otto/config` may set it. Whoever can push to a repository writes that file: it names no
    /// program, place or variable, and lifts no guard and no limit on money.
    pub is_shared: bool,
}

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Any text.
    Text,
    /// A file or folder.
    Path,
    /// Several values, each given on its own.
    Many,
    /// A boolean, as git reads one.
    Bool,
    /// A whole number, at least this.
    Number(i64),
    /// An amount in US dollars.
    Dollars,
    /// One of these words.
    Word(&'static [&'static str]),
}

impl Takes {
    /// What it takes, in words.
    pub fn words(self) -> String {
        match self {
            Takes::Text => "text".into(),
            Takes::Path => "path".into(),
            Takes::Many => "several values".into(),
            Takes::Bool => "true or false".into(),
            Takes::Number(least) => format!("number from {least}"),
            Takes::Dollars => "US dollars".into(),
            Takes::Word(words) => words.join(" or "),
        }
    }

    /// Whether a value is one of those. Booleans and numbers are read as git reads them.
    pub fn allows(self, value: &str) -> bool {
        match self {
            Takes::Text | Takes::Path | Takes::Many => !value.trim().is_empty() && !value.contains(char::is_control),
            Takes::Bool => {
                ["true", "false", "yes", "no", "on", "off", "1", "0"].contains(&value.to_ascii_lowercase().as_str())
            }
            Takes::Number(least) => value.parse::<i64>().is_ok_and(|n| n >= least),
            Takes::Dollars => value.parse::<f64>().is_ok_and(|amount| (0.0..1e9).contains(&amount)),
            Takes::Word(words) => words.contains(&value),
        }
    }
}

const fn key(name: &'static str, takes: Takes, default: &'static str, says: &'static str) -> Key {
    Key { name, takes, default, says, is_shared: false }
}

const fn shared(name: &'static str, takes: Takes, default: &'static str, says: &'static str) -> Key {
    Key { name, takes, default, says, is_shared: true }
}

/// All keys, in the order of the manual page.
pub const KEYS: &[Key] = &[
    key("otto.agent", Takes::Text, "", "Who compiles prose, builds and mends"),
    key("otto.model", Takes::Text, "", "The agent's model, in its own words"),
    key("otto.effort", Takes::Text, "", "How hard the agent thinks, in its own words"),
    key("otto.compile.agent", Takes::Text, "", "Who compiles prose"),
    key("otto.compile.model", Takes::Text, "", "The model of who compiles prose"),
    key("otto.compile.effort", Takes::Text, "", "The effort of who compiles prose"),
    key("otto.build.agent", Takes::Text, "", "Who builds"),
    key("otto.build.model", Takes::Text, "", "The model of who builds"),
    key("otto.build.effort", Takes::Text, "", "The effort of who builds"),
    key("otto.repair.agent", Takes::Text, "", "Who mends what the queue gives back"),
    key("otto.repair.model", Takes::Text, "", "The model of who mends"),
    key("otto.repair.effort", Takes::Text, "", "The effort of who mends"),
    key("otto.audit.agent", Takes::Text, "", "Who judges the product after the checks"),
    key("otto.audit.model", Takes::Text, "", "The model of who judges"),
    key("otto.audit.effort", Takes::Text, "", "The effort of who judges"),
    key("otto.prompts", Takes::Path, "", "A folder with templates that replace those of the program"),
    key("otto.sandbox", Takes::Word(&["auto", "require", "off"]), "auto", "How agents and checks are confined"),
    key("otto.sandbox.network", Takes::Word(&["all", "agents", "none"]), "all", "Who may use the network"),
    key("otto.sandbox.read", Takes::Many, "", "What confined programs may read besides the usual"),
    key("otto.sandbox.write", Takes::Many, "", "What confined programs may write besides their workspace"),
    key("otto.carry", Takes::Text, "", "Whether ignored files go along into workspaces"),
    key("otto.setup", Takes::Word(&["auto", "off"]), "auto", "Whether what lock files name is installed"),
    key("otto.agentEnv", Takes::Many, "", "Variables that agents see besides the usual ones"),
    key("otto.anthropic.url", Takes::Text, "", "Where models of Anthropic are reached"),
    key("otto.openai.url", Takes::Text, "", "Where models that speak as OpenAI's do are reached"),
    key("otto.anthropic.price", Takes::Text, "", "US dollars for a million tokens read and written there"),
    key("otto.openai.price", Takes::Text, "", "US dollars for a million tokens read and written there"),
    key("otto.record", Takes::Bool, "false", "Keep what agents say and change"),
    key("otto.leaseRemote", Takes::Text, "", "The remote that tells machines which of them runs a run"),
    key("otto.jobs", Takes::Number(1), "2", "Slices that are built at a time"),
    key("otto.queue.depth", Takes::Number(1), "4", "Candidates that are tested at a time, each on the one before it"),
    shared("otto.attempts", Takes::Number(1), "3", "Attempts at a slice"),
    shared("otto.repairs", Takes::Number(0), "2", "How often the queue gives a slice back to be mended"),
    shared("otto.slice.wall", Takes::Number(1), "1800", "Seconds that an agent may work on a slice"),
    shared("otto.agent.idle", Takes::Number(1), "600", "Seconds that an agent may be silent"),
    key("otto.slice.budget.usd", Takes::Dollars, "", "What a slice may cost"),
    key("otto.budget.usd", Takes::Dollars, "10", "What a run may cost"),
    key("otto.baseline", Takes::Bool, "true", "Keep what the project's own commands say of the base"),
    shared(
        "otto.checks.full",
        Takes::Word(&["landing", "final"]),
        "landing",
        "When the project's own commands are run",
    ),
    key("otto.checkEnv", Takes::Many, "", "Variables that checks see besides the usual ones"),
    key("otto.probe.allow", Takes::Many, "", "Hosts to which a service may redirect a request of a check"),
    shared(
        "otto.workingCopy",
        Takes::Word(&["target", "off"]),
        "target",
        "Whether landed trees hold a copy of the spec",
    ),
    key("otto.commit.template", Takes::Path, "", "A file that landings are told by"),
    key("otto.fsync", Takes::Bool, "true", "Whether what was written is made durable at once"),
    key("otto.gc.transcripts", Takes::Number(0), "90", "Days for which gc keeps what agents printed"),
    key("otto.gc.undo", Takes::Number(0), "90", "Days for which gc keeps ways back of deliveries and recoveries"),
    key("otto.sign", Takes::Bool, "false", "Sign what a person records of a spec"),
    shared("otto.requireSigned", Takes::Bool, "false", "Have verify demand those signatures"),
    key("otto.allowSecret", Takes::Many, "", "Objects that look like secrets and are none"),
];

/// The key of that name; section and variable ignore case, as in git.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name.eq_ignore_ascii_case(name))
}

/// Where a name is no key: what it was meant to be, if one is near, in words.
pub fn unknown(name: &str) -> String {
    let near = KEYS.iter().map(|key| (strsim::jaro_winkler(&key.name.to_lowercase(), &name.to_lowercase()), key.name));
    let near = near.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(likeness, _)| *likeness > 0.9);
    let meant = near.map(|(_, name)| format!("; did you mean {name}?")).unwrap_or_default();
    format!("there is no key {}{meant}", one_line(name, 80))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_values_that_the_key_takes() {
        for key in KEYS {
            assert!(key.default.is_empty() || key.takes.allows(key.default), "{}", key.name);
            assert_eq!(find(&key.name.to_uppercase()).map(|k| k.name), Some(key.name), "named twice");
        }
    }

    #[test]
    fn what_a_repository_may_say_starts_nothing_and_reaches_nothing() {
        for key in KEYS.iter().filter(|key| key.is_shared) {
            assert!(!matches!(key.takes, Takes::Text | Takes::Path | Takes::Many | Takes::Dollars), "{}", key.name);
            assert!(!key.name.contains("sandbox"), "{}", key.name);
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_told_with_what_was_meant() {
        assert_eq!(unknown("otto.atempts"), "there is no key otto.atempts; did you mean otto.attempts?");
        assert_eq!(
            unknown("otto.sandbox.netwrok"),
            "there is no key otto.sandbox.netwrok; did you mean otto.sandbox.network?"
        );
        assert_eq!(unknown("otto.zzz"), "there is no key otto.zzz");
    }
}
