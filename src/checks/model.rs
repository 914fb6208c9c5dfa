//! What a check is and what came of it: plain data, shared by specs, evidence, journal and packet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{Sha256, Timestamp};

mod services;

pub use services::{Port, Ready, Service};

/// A check as a spec states it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Unique in its spec.
    pub id: String,
    /// What is run and what must hold.
    #[serde(flatten)]
    pub kind: CheckKind,
    /// Ids of the requirements that it proves; empty means all of its slice's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proves: Vec<String>,
    /// Against which trees it must be red or green.
    #[serde(default, skip_serializing_if = "Gate::is_new")]
    pub gate: Gate,
    /// The judge's own files, path to SHA-256 of the content (stored in the spec's commit), laid over base and
    /// candidate.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, Sha256>,
    /// The longest that it may take, in seconds; the default is its kind's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u32>,
}

/// How the ids of checks begin that keep what the project's own commands said of the base.
pub const BASELINE: &str = "baseline-";

/// When a check is a gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Red on the base, green on the candidate: it proves something new.
    #[default]
    New,
    /// Green on both: it keeps what was there.
    Keeps,
}

impl Gate {
    fn is_new(&self) -> bool {
        *self == Gate::New
    }
}

/// The kinds of check and their fields; every default is the schema's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CheckKind {
    /// pytest on a selector: exit 0 and at least one test ran.
    Pytest {
        /// A node id, a file or a folder.
        selector: String,
    },
    /// A test command of the repository.
    RepoTest {
        /// Argument vector, nothing expanded.
        command: Vec<String>,
        /// The exit code that passes.
        #[serde(default, skip_serializing_if = "is_zero")]
        expect_exit: i32,
        /// Texts that standard output must contain.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        stdout_contains: Vec<String>,
    },
    /// A command-line program, in a fresh HOME.
    CliProbe {
        /// Argument vector; this or `shell`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        command: Vec<String>,
        /// A script for `sh -c`; this or `command`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shell: Option<String>,
        /// What the program reads.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stdin: Option<String>,
        /// The exit code that passes.
        #[serde(default, skip_serializing_if = "is_zero")]
        expect_exit: i32,
        /// Standard output, exactly.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stdout: Option<String>,
        /// Texts that standard output must contain.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        stdout_contains: Vec<String>,
        /// A pattern of the `regex` crate, unanchored.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stdout_matches: Option<String>,
        /// Texts that standard error must contain.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        stderr_contains: Vec<String>,
    },
    /// A request to a service that otto started.
    ApiProbe {
        /// The id of the service.
        service: String,
        /// HTTP method.
        #[serde(default = "get", skip_serializing_if = "is_get")]
        method: String,
        /// Path and query, from `/`.
        path: String,
        /// Request headers.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
        /// Request body: JSON, or a text.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        body: Option<serde_json::Value>,
        /// The status that passes.
        #[serde(default = "ok_status", skip_serializing_if = "is_ok_status")]
        expect_status: u16,
        /// A text that the body must contain.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expect_body_contains: Option<String>,
        /// JSONPath (RFC 9535) to the value found there.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        expect_json: BTreeMap<String, serde_json::Value>,
    },
    /// A journey through a browser: a command with artifacts, or steps on a service.
    BrowserJourney {
        /// Argument vector; with `evidence_globs`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        command: Vec<String>,
        /// Artifacts that must exist afterwards.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        evidence_globs: Vec<String>,
        /// The id of the service; with `steps`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<String>,
        /// What a person does and sees.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        steps: Vec<Step>,
    },
    /// An expression (CEL) over collected facts that must be exactly `true`.
    StateInvariant {
        /// What the expression says, in words.
        description: String,
        /// The expression.
        expression: String,
    },
}

/// One step of a browser journey. `target` is an accessible name or a visible text first, a CSS selector as a fallback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Step {
    /// Open a path of the service.
    Goto {
        /// Path and query, from `/`.
        path: String,
    },
    /// Click on something.
    Click {
        /// What.
        target: String,
    },
    /// Type into a field.
    Fill {
        /// Which field.
        target: String,
        /// What to type.
        value: String,
    },
    /// Press a key.
    Press {
        /// Its name in WebDriver.
        key: String,
    },
    /// Choose an option of a list.
    Select {
        /// Which list.
        target: String,
        /// Which option.
        value: String,
    },
    /// The page shows a text.
    ExpectText {
        /// The text.
        text: String,
    },
    /// Something is visible.
    ExpectVisible {
        /// What.
        target: String,
    },
    /// The address contains a text.
    ExpectUrl {
        /// The text.
        url: String,
    },
    /// Take a picture.
    Screenshot {
        /// Its name among the artifacts.
        name: String,
    },
}

/// A `null` that stands there is a value too.
fn present<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(d).map(Some)
}
fn is_zero(n: &i32) -> bool {
    *n == 0
}
fn get() -> String {
    "GET".into()
}
fn is_get(m: &String) -> bool {
    m == "GET"
}
fn ok_status() -> u16 {
    200
}
fn is_ok_status(n: &u16) -> bool {
    *n == 200
}

/// The expression that never holds.
const NEVER: &str = "false";

impl CheckKind {
    /// The kind's name, as specs spell it.
    pub fn name(&self) -> &'static str {
        match self {
            CheckKind::Pytest { .. } => "pytest",
            CheckKind::RepoTest { .. } => "repo_test",
            CheckKind::CliProbe { .. } => "cli_probe",
            CheckKind::ApiProbe { .. } => "api_probe",
            CheckKind::BrowserJourney { .. } => "browser_journey",
            CheckKind::StateInvariant { .. } => "state_invariant",
        }
    }

    /// The kind's default time limit in seconds.
    pub fn default_timeout_s(&self) -> u32 {
        match self {
            CheckKind::Pytest { .. } => 300,
            CheckKind::RepoTest { .. } | CheckKind::BrowserJourney { .. } => 600,
            CheckKind::CliProbe { .. } => 60,
            CheckKind::ApiProbe { .. } | CheckKind::StateInvariant { .. } => 30,
        }
    }

    /// The check that nobody has written yet: it says what must hold, and can only fail.
    pub fn unwritten(description: &str) -> CheckKind {
        CheckKind::StateInvariant { description: description.to_owned(), expression: NEVER.to_owned() }
    }

    /// What a check of [`CheckKind::unwritten`] is to prove.
    pub fn is_unwritten(&self) -> Option<&str> {
        match self {
            CheckKind::StateInvariant { description, expression } if expression.trim() == NEVER => Some(description),
            _ => None,
        }
    }

    /// The service that it talks to.
    pub fn service(&self) -> Option<&str> {
        match self {
            CheckKind::ApiProbe { service, .. } => Some(service),
            CheckKind::BrowserJourney { service, .. } => service.as_deref(),
            _ => None,
        }
    }

    /// The kinds that this version can run, by name.
    pub const RUNNABLE: [&'static str; 5] = ["cli_probe", "repo_test", "pytest", "api_probe", "state_invariant"];

    /// Whether this version can run the check. A plan that needs another is refused before anything starts: a check is
    /// never skipped and never passed unrun.
    pub fn is_runnable(&self) -> bool {
        match self {
            CheckKind::BrowserJourney { service, .. } => service.is_none(),
            other => Self::RUNNABLE.contains(&other.name()),
        }
    }
}

impl Check {
    /// The longest that the check may take, in seconds.
    pub fn timeout_s(&self) -> u32 {
        self.timeout_s.unwrap_or_else(|| self.kind.default_timeout_s())
    }

    /// Whether it keeps what the project's own commands said of the base.
    pub fn is_baseline(&self) -> bool {
        self.gate == Gate::Keeps && self.id.starts_with(BASELINE)
    }

    /// The digest of the check's definition: SHA-256 over its JSON.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// Why a check ended as it did. Only [`Cause::Holds`] is green.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Everything it states holds.
    Holds,
    /// It ran, and something it states does not hold.
    Assertion,
    /// It failed because the thing under test does not exist (exit 126 or 127 of the program itself, no file, no tests).
    Missing,
    /// It failed in another way: a signal, an error of the runner.
    Error,
    /// It ran for too long.
    Timeout,
    /// It could not be evaluated: a runner that is not on PATH, a setup that failed, an I/O error. Not passed, and no
    /// proof of anything either.
    Unknown,
}

impl Cause {
    /// Green.
    pub fn passed(self) -> bool {
        self == Cause::Holds
    }
    /// Red in a way that says something about the tree.
    pub fn is_red(self) -> bool {
        matches!(self, Cause::Assertion | Cause::Missing | Cause::Error | Cause::Timeout)
    }
}

/// What came of running one check on one tree: the content of `result.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// `otto.evidence/1`.
    pub schema: String,
    /// The check's id.
    pub check: String,
    /// The digest of its definition.
    pub digest: Sha256,
    /// The tree that it ran on.
    pub tree: crate::base::Oid,
    /// Whether it is green.
    pub passed: bool,
    /// Why.
    pub cause: Cause,
    /// When it started.
    pub started_at: Timestamp,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
    /// The exit code, where the program ended by one.
    pub exit: Option<i32>,
    /// What a person should know, a few lines.
    pub detail: String,
    /// Names of further files beside `result.json`.
    #[serde(default)]
    pub artifacts: Vec<String>,
    /// How the check was confined: `none`, `landlock`, `bubblewrap`.
    pub sandbox: String,
    /// The fingerprint of the environment that it saw.
    pub environment: Sha256,
}

/// Evidence with the streams that belong to it, redacted.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The result.
    pub evidence: Evidence,
    /// Standard output, head and tail.
    pub stdout: Vec<u8>,
    /// Standard error, head and tail.
    pub stderr: Vec<u8>,
    /// What else it left, by the names that the evidence gives.
    pub artifacts: BTreeMap<String, Vec<u8>>,
}
