//! What models are told: templates in `prompts/`, rendered from typed packets.
//!
//! A template can print text from outside as data only: as a span of code on one line, or with the filter `data` as a block
//! whose fence is longer than any run of backticks in the text. So no text can leave its place and become an instruction.

mod samples;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    path::{Path, PathBuf},
};

use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;

use super::{Role, Task, task::Product};
use crate::base::{Exit, Failure, Sha256, text};

/// The templates that are compiled in, by name.
const TEMPLATES: [(&str, &str); 8] = [
    ("amendment-request", include_str!("../../prompts/amendment-request.md")),
    ("audit", include_str!("../../prompts/audit.md")),
    ("build", include_str!("../../prompts/build.md")),
    ("compile", include_str!("../../prompts/compile.md")),
    ("compile-repair", include_str!("../../prompts/compile-repair.md")),
    ("contract", include_str!("../../prompts/contract.md")),
    ("conflict", include_str!("../../prompts/conflict.md")),
    ("repair", include_str!("../../prompts/repair.md")),
];

/// The largest template, bytes.
const MAX_TEMPLATE: u64 = 64 << 10;
/// Characters of one text in a block.
const MAX_BLOCK: usize = 256 << 10;
/// Characters of one text in a span.
const MAX_SPAN: usize = 2000;
/// Steps of one rendering.
const FUEL: u64 = 2_000_000;

/// What is asked for, for who turns prose into a spec.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Compile<'a> {
    /// The user's prose.
    pub intent: &'a str,
    /// The kind of product, where the user said it.
    pub kind: Option<&'a str>,
    /// A spec that was written before, where the user wants another one.
    pub draft: Option<&'a str>,
    /// What they say of it.
    pub remark: Option<&'a str>,
    /// An overview of the repository; none of an empty one.
    pub map: Option<&'a str>,
    /// The JSON Schema of the answer.
    pub schema: &'a str,
    /// An answer for another product.
    pub example: &'a str,
    /// The kinds of check that can be run.
    pub check_kinds: &'a [&'a str],
}

/// An answer that was not valid.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Again<'a> {
    /// What is wrong with it, each with its place.
    pub errors: &'a [String],
    /// The answer itself, for who does not remember it.
    pub answer: Option<&'a str>,
    /// The tag that an answer may stand in.
    pub tag: &'a str,
}

/// The product, for who judges it.
#[derive(Clone, Debug, Serialize)]
pub struct Audit {
    /// What it is.
    pub product: Product,
    /// What must hold, and what checks say of it.
    pub requirements: Vec<Required>,
    /// Slices that were not built.
    pub blocked: Vec<NotBuilt>,
    /// What differs from where the run started.
    pub changed: Vec<Changed>,
    /// How many more files differ than are listed.
    pub more_changed: usize,
}

/// A requirement with the checks that prove it.
#[derive(Clone, Debug, Serialize)]
pub struct Required {
    /// Its id.
    pub id: String,
    /// What must hold.
    pub text: String,
    /// What proves it.
    pub checks: Vec<Checked>,
}

/// What came of a check.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// Its id.
    pub id: String,
    /// What it states.
    pub sentence: String,
    /// Whether that holds.
    pub holds: bool,
    /// Why not.
    pub detail: String,
    /// The end of standard output.
    pub stdout: String,
    /// The end of standard error.
    pub stderr: String,
}

/// A slice that was not built.
#[derive(Clone, Debug, Serialize)]
pub struct NotBuilt {
    /// Its id.
    pub id: String,
    /// Why.
    pub why: String,
}

/// A file that differs.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    /// added, changed or removed.
    pub how: &'static str,
    /// Where it is.
    pub path: String,
}

/// The templates in force.
#[derive(Clone, Debug)]
pub struct Prompts {
    texts: BTreeMap<&'static str, String>,
    dir: Option<PathBuf>,
}

impl Default for Prompts {
    fn default() -> Self {
        Prompts { texts: TEMPLATES.map(|(name, text)| (name, text.to_owned())).into(), dir: None }
    }
}

impl Prompts {
    /// The compiled-in templates, with those of a folder instead where it has some. Each is tried at once, so that a
    /// mistake in one ends nothing half-way.
    pub fn load(dir: Option<&Path>) -> Result<Prompts, Failure> {
        let mut prompts = Prompts::default();
        let Some(dir) = dir else { return Ok(prompts) };
        let unusable = |why: String| {
            let text = format!("otto.prompts names {}, which {why}", dir.display());
            Failure::new(Exit::Usage, text).hint(UNSET)
        };
        let unreadable = |e: std::io::Error| unusable(format!("cannot be read: {e}"));
        prompts.dir = Some(dir.to_owned());
        for entry in std::fs::read_dir(dir).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            let Some(stem) = name.to_str().and_then(|n| n.strip_suffix(".md")).filter(|n| *n != "README") else {
                continue;
            };
            let Some((known, _)) = TEMPLATES.iter().find(|(n, _)| *n == stem) else {
                let all: Vec<&str> = TEMPLATES.iter().map(|(n, _)| *n).collect();
                return Err(unusable(format!("holds {stem:?}.md: there are only {}", all.join(", "))));
            };
            let path = dir.join(&name);
            let mut bytes = Vec::new();
            std::fs::File::open(&path)
                .and_then(|f| f.take(MAX_TEMPLATE + 1).read_to_end(&mut bytes))
                .map_err(|e| prompts.wrong(known, None, &format!("cannot be read: {e}")))?;
            let text = String::from_utf8(bytes).map_err(|_| prompts.wrong(known, None, "it is not UTF-8"))?;
            if text.len() as u64 > MAX_TEMPLATE {
                return Err(prompts.wrong(known, None, &format!("it is larger than {MAX_TEMPLATE} bytes")));
            }
            prompts.texts.insert(known, text);
        }
        for (name, _) in TEMPLATES {
            prompts.try_out(name)?;
        }
        Ok(prompts)
    }

    /// The digest of each template, by name: what a run's anchor keeps.
    pub fn digests(&self) -> BTreeMap<String, Sha256> {
        self.texts.iter().map(|(name, text)| ((*name).to_owned(), Sha256::of(text))).collect()
    }

    /// For who turns prose into a spec.
    pub fn compile(&self, packet: &Compile<'_>) -> Result<String, Failure> {
        self.render("compile", packet)
    }

    /// For who gave an answer that is not valid.
    pub fn again(&self, packet: &Again<'_>) -> Result<String, Failure> {
        self.render("compile-repair", packet)
    }

    /// For who builds a slice, or mends what did not pass.
    pub fn task(&self, task: &Task) -> Result<String, Failure> {
        let name = match task.role {
            Role::Repair if !task.conflicts.is_empty() || task.failures.iter().any(|f| f.what == "merge") => "conflict",
            Role::Repair => "repair",
            _ if task.contract.is_some() => return self.render("contract", task),
            _ => "build",
        };
        Ok(format!("{}\n{}", self.render(name, task)?, self.render("amendment-request", task)?))
    }

    /// For who judges the product.
    pub fn audit(&self, packet: &Audit) -> Result<String, Failure> {
        self.render("audit", packet)
    }

    fn render(&self, name: &'static str, packet: &(impl Serialize + ?Sized)) -> Result<String, Failure> {
        let rendered =
            self.environment(name).and_then(|env| env.get_template(name)?.render(Value::from(Serde(packet))));
        rendered.map_err(|e| self.failed(name, &e))
    }

    fn environment(&self, name: &'static str) -> Result<Environment<'_>, minijinja::Error> {
        let mut env = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
        env.set_syntax(syntax?);
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_fuel(Some(FUEL));
        env.set_formatter(|out, _, value| {
            if value.is_undefined() {
                return Err(ErrorKind::UndefinedError.into());
            }
            let shown = match value.as_str() {
                Some(text) if !value.is_safe() => span(text),
                _ => value.to_string(),
            };
            Ok(out.write_str(&shown)?)
        });
        env.add_filter("data", |text: String| Value::from_safe_string(block(&text)));
        env.add_filter("word", |text: String| Value::from_safe_string(word(&text)));
        env.add_template(name, self.texts.get(name).map_or("", String::as_str))?;
        Ok(env)
    }

    /// Renders a template with packets that have everything, and with such that have nothing; a name that neither needs
    /// is looked for too.
    fn try_out(&self, name: &'static str) -> Result<(), Failure> {
        let env = self.environment(name).map_err(|e| self.failed(name, &e))?;
        let template = env.get_template(name).map_err(|e| self.failed(name, &e))?;
        let mut known = BTreeSet::new();
        for packet in samples::of(name) {
            known.extend(packet.as_object().into_iter().flat_map(|o| o.keys().cloned()));
            template.render(Value::from(Serde(&packet))).map_err(|e| self.failed(name, &e))?;
        }
        let unknown = template.undeclared_variables(false);
        match unknown.iter().filter(|n| !known.contains(*n)).min() {
            None => Ok(()),
            Some(variable) => {
                let text = self.texts.get(name).map_or("", String::as_str);
                let line = text.lines().position(|l| l.contains(variable.as_str())).map(|n| n + 1);
                Err(self.wrong(name, line, &format!("there is no variable `{variable}`")))
            }
        }
    }

    fn failed(&self, name: &str, e: &minijinja::Error) -> Failure {
        let what = match e.kind() {
            ErrorKind::UndefinedError => "it names a variable that there is none of".to_owned(),
            _ => text::one_line(&e.to_string(), 300),
        };
        self.wrong(name, e.line(), &what)
    }

    fn wrong(&self, name: &str, line: Option<usize>, why: &str) -> Failure {
        let file = self.dir.as_deref().unwrap_or(Path::new("prompts")).join(format!("{name}.md"));
        let place = line.map(|n| format!(":{n}")).unwrap_or_default();
        Failure::new(Exit::Usage, format!("the prompt {}{place}: {why}", file.display())).hint(UNSET)
    }
}

const UNSET: &str = "mend it, or: git config --unset otto.prompts";

/// A text on one line, as a span of code.
fn span(text: &str) -> String {
    let words = text::printable(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let words = cut(&words, MAX_SPAN);
    if words.is_empty() {
        return "(nothing)".to_owned();
    }
    let fence = "`".repeat(longest_run(&words) + 1);
    let blank = if words.starts_with('`') || words.ends_with('`') { " " } else { "" };
    format!("{fence}{blank}{words}{blank}{fence}")
}

/// A text as a block that it cannot close.
fn block(text: &str) -> String {
    let text = text::printable(text);
    let text = cut(text.trim_end_matches('\n'), MAX_BLOCK);
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    format!("{fence}\n{text}\n{fence}")
}

/// One of our own words, bare: letters, digits and `_`.
fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

fn cut(text: &str, max: usize) -> String {
    let n = text.chars().count();
    if n <= max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max).collect();
    format!("{kept} … ({} more characters are left out)", n - max)
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests;
