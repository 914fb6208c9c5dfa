//! What stands before the slices, as sentences.

use crate::spec::model::{Cli, Command, Contract, ContractMode, Port, Service, Spec, Structure};

use super::{checks::argv, fence, is_line, joined, span};
use crate::intent::{full, head::derived};

/// Writes everything between the prose and the first slice.
pub(super) fn write(spec: &Spec, out: &mut Vec<String>) {
    let kind = spec.project_kind.name();
    match structure(spec) {
        Some(sentences) => out.extend(sentences),
        None => {
            out.push(format!("Kind: `{kind}`, in full:"));
            out.push(fence("json", &full::write(&spec.structure)));
        }
    }
    if !spec.non_goals.is_empty() {
        let parts = if spec.non_goals.iter().any(|g| g.contains(',')) {
            spec.non_goals.iter().map(|g| format!("{g};")).collect::<Vec<_>>().join(" ")
        } else {
            spec.non_goals.join(", ")
        };
        out.push(format!("Not: {parts}."));
    }
    out.extend(spec.done_means.iter().map(|d| format!("Done means: {d}")));
    out.extend(spec.setup.iter().map(|s| format!("Setup: {}.", argv(s).unwrap_or_default())));
    if let Some(shared) = spans(&spec.shared_scaffold).filter(|s| !s.is_empty()) {
        out.push(format!("Shared: {}.", joined(&shared)));
    }
    out.extend(spec.min_version.as_deref().and_then(span).map(|v| format!("Version: at least {v}.")));
    for s in &spec.services {
        part(out, service(s), "Service", s);
    }
    for c in &spec.contracts {
        part(out, contract(c), "Contract", c);
    }
}

fn part(out: &mut Vec<String>, sentence: Option<String>, word: &str, value: &impl serde::Serialize) {
    match sentence {
        Some(sentence) => out.push(sentence),
        None => {
            out.push(format!("{word}, in full:"));
            out.push(fence("json", &full::write(value)));
        }
    }
}

fn spans(texts: &[String]) -> Option<Vec<String>> {
    texts.iter().map(|t| span(t)).collect()
}

/// The sentences of a structure, or none where they do not say all of it.
fn structure(spec: &Spec) -> Option<Vec<String>> {
    let mut out = Vec::new();
    match &spec.structure {
        Structure::Cli(Cli { entrypoint, commands }) => {
            out.push(format!("Kind: `cli`, started as {}.", span(entrypoint)?));
            if *commands != derived(entrypoint, &spec.requirements, &mut Vec::new()) {
                for c in commands {
                    out.push(command(c)?);
                }
            }
        }
        Structure::Webapp(w) => {
            out.push("Kind: `webapp`.".into());
            for r in &w.routes {
                let odd = r.method.is_some() || r.request_shape.is_some() || r.response_shape.is_some();
                if odd || !r.error_codes.is_empty() {
                    return None;
                }
                out.push(format!(
                    "Route {} shows {} with {}.",
                    span(&r.path)?,
                    span(&r.component)?,
                    span(&r.key_text)?
                ));
            }
            // A route whose component is not stated would add one.
            if w.routes.is_empty() || !w.routes.iter().all(|r| w.components.iter().any(|c| c.name == r.component)) {
                return None;
            }
            for c in &w.components {
                out.push(format!("Component {} shows {}.", span(&c.name)?, span(&c.key_text)?));
            }
            entities(&w.data_model, &mut out)?;
        }
        Structure::Library(l) => {
            out.push(format!("Kind: `library`, package {}.", span(&l.package_name)?));
            for s in &l.public_api {
                let called = match &s.signature {
                    Some(signature) => format!(", called as {}", span(signature)?),
                    None => String::new(),
                };
                let summary = Some(&s.summary).filter(|s| is_line(s))?;
                out.push(format!("Symbol {}, a {}{called}: {summary}", span(&s.symbol)?, span(&s.kind)?));
            }
            for e in &l.examples {
                out.push(format!("Used as {}.", span(e)?));
            }
        }
        Structure::Api(a) => {
            out.push(format!("Kind: `api`, below {}.", span(&a.base_path)?));
            for e in &a.endpoints {
                let auth = match &e.auth {
                    Some(auth) => format!(", for {}", span(auth)?),
                    None => String::new(),
                };
                let line = (!e.method.contains(' ')).then(|| span(&format!("{} {}", e.method, e.path))).flatten()?;
                let summary = Some(&e.summary).filter(|s| is_line(s))?;
                out.push(format!("Endpoint {line} answers {}{auth}: {summary}", span(&e.response_shape)?));
            }
            entities(&a.data_model, &mut out)?;
        }
        Structure::Service(s) => {
            let ports: Vec<String> = s.ports.iter().map(|p| format!("`{p}`")).collect();
            let on = if ports.is_empty() { String::new() } else { format!(", on {}", joined(&ports)) };
            out.push(format!("Kind: `service`, named {}{on}.", span(&s.service_name)?));
            for h in &s.health_checks {
                out.push(format!("Health check: {}", Some(h).filter(|h| is_line(h))?));
            }
        }
    }
    Some(out)
}

fn command(c: &Command) -> Option<String> {
    let words: Vec<&str> = std::iter::once(&c.name).chain(&c.args).map(String::as_str).collect();
    let single = |w: &&str| !w.is_empty() && !w.contains(char::is_whitespace);
    if !c.exit_codes.is_empty() || !is_line(&c.summary) || !words.iter().all(single) {
        return None;
    }
    Some(format!("Command {}: {}", span(&words.join(" "))?, c.summary))
}

fn entities(all: &[crate::spec::model::Entity], out: &mut Vec<String>) -> Option<()> {
    for e in all {
        let fields = spans(&e.fields).filter(|f| !f.is_empty())?;
        out.push(format!("Stores {} with {}.", span(&e.name)?, joined(&fields)));
    }
    Some(())
}

fn service(s: &Service) -> Option<String> {
    let r = &s.ready;
    let ready = match (&r.http, r.tcp, &r.log) {
        (Some(path), None, None) => format!("{} answers", span(path)?),
        (None, Some(true), None) => "it listens".into(),
        (None, None, Some(pattern)) => format!("it prints {}", span(pattern)?),
        _ => return None,
    };
    let limit = match r.timeout_s {
        30 => String::new(),
        s if s > 999_999 => return None,
        s => format!(", within {s} s"),
    };
    if !s.env.is_empty() || s.port != Port::Auto || !s.stop.is_empty() {
        return None;
    }
    Some(format!("Service {}: {} is ready when {ready}{limit}.", span(&s.id)?, argv(&s.command)?))
}

fn contract(c: &Contract) -> Option<String> {
    let mode = if c.mode == ContractMode::Literal { "literal" } else { "semantic" };
    let mut out = format!("Contract {}, owned by `{}`, {mode}", span(&c.path)?, c.owner);
    for (before, list) in [("exports", &c.exports), ("probed by", &c.probes)] {
        if !list.is_empty() {
            out += &format!(", {before} {}", joined(&spans(list)?));
        }
    }
    Some(out + ".")
}
