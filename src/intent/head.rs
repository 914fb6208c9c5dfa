//! The sentences before the first slice: kind, structure, and what holds for the whole.

use std::{collections::BTreeMap, ops::Range};

use crate::spec::model::{
    Api, Cli, Command, Component, Contract, ContractMode, Endpoint, Entity, Library, Port, ProjectKind, Ready,
    Requirement, Route, Service, ServiceShape, Structure, Symbol, Webapp,
};

use super::{
    checks::argv,
    cursor::{Cursor, Mismatch, Read},
    error::Found,
    sentence::{self, KIND, Sentence},
};

/// What the head said.
#[derive(Default)]
pub(super) struct Head {
    pub kind: Option<(ProjectKind, Range<usize>)>,
    /// Entrypoint, package, base path or name.
    pub name: String,
    ports: Vec<u16>,
    pub full: Option<Structure>,
    parts: Parts,
    /// Where each sentence about the structure stands, with the kinds that it belongs to.
    stands: Vec<(&'static Sentence, Range<usize>)>,
    pub non_goals: Vec<String>,
    pub done_means: Vec<String>,
    pub setup: Vec<(Vec<String>, Range<usize>)>,
    pub shared: Vec<(String, Range<usize>)>,
    pub contracts: Vec<(Contract, Range<usize>)>,
    pub services: Vec<(Service, Range<usize>)>,
    pub min_version: Option<(String, Range<usize>)>,
}

#[derive(Default)]
struct Parts {
    commands: Vec<Command>,
    routes: Vec<Route>,
    components: Vec<Component>,
    entities: Vec<Entity>,
    symbols: Vec<Symbol>,
    examples: Vec<String>,
    endpoints: Vec<Endpoint>,
    health: Vec<String>,
}

/// What a sentence of the head asks of the block after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    Nothing,
    Structure,
    Service,
    Contract,
}

impl Head {
    /// Reads one sentence.
    pub fn read(&mut self, s: &'static Sentence, c: &mut Cursor<'_>, span: &Range<usize>) -> Read<Wants> {
        c.text(s.word)?;
        let structural = ["Command", "Route", "Component", "Stores", "Symbol", "Used as", "Endpoint", "Health check"];
        if structural.contains(&s.word) {
            self.stands.push((s, span.clone()));
        }
        match s.word {
            "Kind" => return self.kind(c, span),
            "Not" => self.not(c)?,
            "Service" | "Contract" if c.try_text(", in full:") => {
                let wants = if s.word == "Service" { Wants::Service } else { Wants::Contract };
                return if c.is_at_end() { Ok(wants) } else { Err(Mismatch::plain()) };
            }
            "Service" => self.services.push((service(c)?, span.clone())),
            "Contract" => self.contracts.push((contract(c)?, span.clone())),
            "Done means" => {
                c.text(": ")?;
                self.done_means.push(c.rest()?.0);
            }
            "Setup" => {
                c.text(": ")?;
                self.setup.push((argv(c)?, span.clone()));
                c.stop()?;
            }
            "Shared" => {
                c.text(": ")?;
                self.shared.extend(c.codes()?);
                c.stop()?;
            }
            "Version" => {
                c.text(": at least ")?;
                if self.min_version.replace(c.code()?).is_some() {
                    return Err(Mismatch::told(span, "the version is stated twice"));
                }
                c.stop()?;
            }
            _ => self.parts.read(s.word, c)?,
        }
        Ok(Wants::Nothing)
    }

    fn kind(&mut self, c: &mut Cursor<'_>, span: &Range<usize>) -> Read<Wants> {
        c.text(": ")?;
        let (name, at) = c.try_code().unwrap_or_else(|| (c.word(), span.clone()));
        let Some(kind) = ProjectKind::ALL.into_iter().find(|k| k.name() == name) else {
            let all: Vec<_> = ProjectKind::ALL.iter().map(|k| k.name()).collect();
            return Err(Mismatch::told(&at, format!("a kind is one of {}", all.join(", "))));
        };
        if self.kind.replace((kind, span.clone())).is_some() {
            return Err(Mismatch::told(span, "the kind is stated twice"));
        }
        if c.try_text(", in full:") {
            return if c.is_at_end() { Ok(Wants::Structure) } else { Err(Mismatch::plain()) };
        }
        let before = match kind {
            ProjectKind::Webapp => "",
            ProjectKind::Cli => ", started as ",
            ProjectKind::Library => ", package ",
            ProjectKind::Api => ", below ",
            ProjectKind::Service => ", named ",
        };
        if !before.is_empty() {
            c.text(before)?;
            self.name = c.code()?.0;
        }
        if kind == ProjectKind::Service && c.try_text(", on ") {
            for (port, at) in c.codes()? {
                let port = port.parse().ok().filter(|p| *p > 0);
                self.ports.push(port.ok_or_else(|| Mismatch::told(&at, "a port is a number from 1 to 65535"))?);
            }
        }
        c.text(".")?;
        if c.is_at_end() {
            return Ok(Wants::Nothing);
        }
        c.text(" Not")?;
        self.not(c)?;
        Ok(Wants::Nothing)
    }

    /// Commas part the things left out; semicolons where there is one.
    fn not(&mut self, c: &mut Cursor<'_>) -> Read<()> {
        c.text(": ")?;
        let (text, span) = c.rest()?;
        let Some(text) = text.strip_suffix('.') else {
            return Err(Mismatch::told(&(span.end..span.end), "a full stop is missing"));
        };
        let mark = if text.contains(';') { ';' } else { ',' };
        let parts: Vec<&str> = text.split(mark).map(str::trim).filter(|p| !p.is_empty()).collect();
        if parts.is_empty() {
            return Err(Mismatch::told(&span, "this leaves nothing out"));
        }
        self.non_goals.extend(parts.into_iter().map(String::from));
        Ok(())
    }

    /// The structure, or what is missing; `guessed` gets what was derived.
    pub fn structure(
        &mut self,
        requirements: &[Requirement],
        guessed: &mut Vec<String>,
    ) -> Result<Structure, Vec<Found>> {
        let Some((kind, at)) = self.kind.clone() else {
            let message = "no sentence says what kind of product this is".into();
            return Err(vec![Found { span: 0..0, message, accepted: Some(KIND.into()) }]);
        };
        let stray = |(s, span): &(&'static Sentence, Range<usize>)| {
            let message = match &self.full {
                Some(_) => "the structure is already given in full".into(),
                None if belongs(s.word, kind) => return None,
                None => format!("a {} has no `{}` sentence", kind.name(), s.word),
            };
            Some(Found { span: span.clone(), message, accepted: None })
        };
        let stray: Vec<Found> = self.stands.iter().filter_map(stray).collect();
        if !stray.is_empty() {
            return Err(stray);
        }
        if let Some(full) = self.full.take() {
            return Ok(full);
        }
        let missing = |word: &str| {
            let accepted = sentence::ALL.iter().find(|s| s.word == word).map(|s| s.accepted.into());
            Err(vec![Found {
                span: at.clone(),
                message: format!("a {} needs a `{word}` sentence", kind.name()),
                accepted,
            }])
        };
        let (p, name) = (std::mem::take(&mut self.parts), self.name.clone());
        Ok(match kind {
            ProjectKind::Cli => {
                let commands = if p.commands.is_empty() { derived(&name, requirements, guessed) } else { p.commands };
                Structure::Cli(Cli { entrypoint: name, commands })
            }
            ProjectKind::Webapp if p.routes.is_empty() => return missing("Route"),
            ProjectKind::Webapp => {
                let mut components = p.components;
                for route in &p.routes {
                    if !components.iter().any(|c| c.name == route.component) {
                        guessed.push(format!("the component `{}` shows the text of its route", route.component));
                        let (name, key_text) = (route.component.clone(), route.key_text.clone());
                        components.push(Component { name, key_text });
                    }
                }
                Structure::Webapp(Webapp { routes: p.routes, components, data_model: p.entities })
            }
            ProjectKind::Library if p.symbols.is_empty() => return missing("Symbol"),
            ProjectKind::Library => {
                Structure::Library(Library { package_name: name, public_api: p.symbols, examples: p.examples })
            }
            ProjectKind::Api if p.endpoints.is_empty() => return missing("Endpoint"),
            ProjectKind::Api => Structure::Api(Api { base_path: name, endpoints: p.endpoints, data_model: p.entities }),
            ProjectKind::Service if p.health.is_empty() => return missing("Health check"),
            ProjectKind::Service => {
                let ports = self.ports.clone();
                Structure::Service(ServiceShape { service_name: name, health_checks: p.health, ports })
            }
        })
    }
}

fn belongs(word: &str, kind: ProjectKind) -> bool {
    match word {
        "Command" => kind == ProjectKind::Cli,
        "Route" | "Component" => kind == ProjectKind::Webapp,
        "Stores" => matches!(kind, ProjectKind::Webapp | ProjectKind::Api),
        "Symbol" | "Used as" => kind == ProjectKind::Library,
        "Endpoint" => kind == ProjectKind::Api,
        _ => kind == ProjectKind::Service,
    }
}

/// The commands that requirements name: those that begin with a code span such as `add TEXT`.
pub(super) fn derived(entrypoint: &str, requirements: &[Requirement], guessed: &mut Vec<String>) -> Vec<Command> {
    let mut out: Vec<Command> = Vec::new();
    for r in requirements {
        let Some((span, rest)) = r.text.strip_prefix('`').and_then(|t| t.split_once('`')) else { continue };
        let mut words = span.split_whitespace();
        let Some(name) = words.next().filter(|n| is_command(n)) else { continue };
        if out.iter().any(|c| c.name == name) {
            continue;
        }
        let capital =
            |w: &&str| w.contains(|c: char| c.is_ascii_uppercase()) && !w.contains(|c: char| c.is_ascii_lowercase());
        let args = words.filter(capital).map(String::from).collect();
        let rest = rest.trim();
        let summary = if rest.is_empty() { r.text.clone() } else { rest.into() };
        guessed.push(format!("the command `{name}`, from {}", r.id));
        out.push(Command { name: name.into(), summary, args, exit_codes: BTreeMap::new() });
    }
    if out.is_empty() {
        let name = entrypoint.rsplit('/').next().unwrap_or(entrypoint);
        guessed.push(format!("one command, `{name}`, since no requirement begins with one"));
        let summary = requirements.first().map_or_else(|| name.to_owned(), |r| r.text.clone());
        out.push(Command { name: name.into(), summary, args: Vec::new(), exit_codes: BTreeMap::new() });
    }
    out
}

fn is_command(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

impl Parts {
    fn read(&mut self, word: &str, c: &mut Cursor<'_>) -> Read<()> {
        match word {
            "Command" => {
                c.text(" ")?;
                let (usage, at) = c.code()?;
                let mut words = usage.split_whitespace().map(String::from);
                let name = words.next().ok_or_else(|| Mismatch::told(&at, "a command has a name"))?;
                c.text(": ")?;
                let (args, summary) = (words.collect(), c.rest()?.0);
                self.commands.push(Command { name, summary, args, exit_codes: BTreeMap::new() });
            }
            "Route" => {
                let (path, component, key_text) = (after(c, " ")?, after(c, " shows ")?, after(c, " with ")?);
                c.stop()?;
                let (method, request_shape, response_shape) = (None, None, None);
                let error_codes = Vec::new();
                self.routes.push(Route {
                    path,
                    component,
                    key_text,
                    method,
                    request_shape,
                    response_shape,
                    error_codes,
                });
            }
            "Component" => {
                let (name, key_text) = (after(c, " ")?, after(c, " shows ")?);
                c.stop()?;
                self.components.push(Component { name, key_text });
            }
            "Stores" => {
                let name = after(c, " ")?;
                c.text(" with ")?;
                let fields = c.codes()?.into_iter().map(|(f, _)| f).collect();
                c.stop()?;
                self.entities.push(Entity { name, fields });
            }
            "Symbol" => {
                let (symbol, kind) = (after(c, " ")?, after(c, ", a ")?);
                let signature = if c.try_text(", called as ") { Some(c.code()?.0) } else { None };
                c.text(": ")?;
                self.symbols.push(Symbol { symbol, kind, summary: c.rest()?.0, signature });
            }
            "Used as" => {
                self.examples.push(after(c, " ")?);
                c.stop()?;
            }
            "Endpoint" => {
                c.text(" ")?;
                let (line, at) = c.code()?;
                let (method, path) = line
                    .split_once(' ')
                    .ok_or_else(|| Mismatch::told(&at, "a method, a blank and a path are wanted"))?;
                let response_shape = after(c, " answers ")?;
                let auth = if c.try_text(", for ") { Some(c.code()?.0) } else { None };
                c.text(": ")?;
                let (method, path, summary) = (method.into(), path.into(), c.rest()?.0);
                self.endpoints.push(Endpoint { method, path, summary, response_shape, auth });
            }
            _ => {
                c.text(": ")?;
                self.health.push(c.rest()?.0);
            }
        }
        Ok(())
    }
}

fn after(c: &mut Cursor<'_>, text: &str) -> Read<String> {
    c.text(text)?;
    Ok(c.code()?.0)
}

fn service(c: &mut Cursor<'_>) -> Read<Service> {
    let id = after(c, " ")?;
    c.text(": ")?;
    let command = argv(c)?;
    c.text(" is ready when ")?;
    let mut ready = Ready { http: None, tcp: None, log: None, timeout_s: 30 };
    if c.try_text("it listens") {
        ready.tcp = Some(true);
    } else if c.try_text("it prints ") {
        ready.log = Some(c.code()?.0);
    } else {
        ready.http = Some(c.code()?.0);
        c.text(" answers")?;
    }
    if c.try_text(", within ") {
        ready.timeout_s = c.number()?;
        c.text(" s")?;
    }
    c.stop()?;
    Ok(Service { id, command, env: BTreeMap::new(), port: Port::Auto, ready, stop: Vec::new() })
}

fn contract(c: &mut Cursor<'_>) -> Read<Contract> {
    let path = after(c, " ")?;
    c.text(", owned by ")?;
    let (owner, at) = c.code()?;
    let owner = owner.parse().map_err(|e: crate::base::id::BadId| Mismatch::told(&at, e.to_string()))?;
    let mode = if c.try_text(", literal") {
        ContractMode::Literal
    } else {
        c.text(", semantic")?;
        ContractMode::Semantic
    };
    let list = |c: &mut Cursor<'_>, before: &str| -> Read<Vec<String>> {
        if c.try_text(before) { Ok(c.codes()?.into_iter().map(|(t, _)| t).collect()) } else { Ok(Vec::new()) }
    };
    let exports = list(c, ", exports ")?;
    let probes = list(c, ", probed by ")?;
    c.stop()?;
    Ok(Contract { path, owner, mode, exports, probes })
}
