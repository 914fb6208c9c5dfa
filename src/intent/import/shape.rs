//! The kind of a product and its shape, which other tools leave to prose.

use super::{Gathered, Notes, Wanted};
use crate::{
    checks::model::CheckKind,
    spec::model::{
        Api, Cli, Command, Component, Endpoint, Library, ProjectKind, Route, ServiceShape, Slice, Structure, Symbol,
        Webapp,
    },
};

/// Words that name a kind, the telling ones first.
const WORDS: [(&str, ProjectKind); 16] = [
    ("command-line", ProjectKind::Cli),
    ("command line", ProjectKind::Cli),
    ("cli", ProjectKind::Cli),
    ("console", ProjectKind::Cli),
    ("library", ProjectKind::Library),
    ("package", ProjectKind::Library),
    ("sdk", ProjectKind::Library),
    ("web-service", ProjectKind::Api),
    ("web service", ProjectKind::Api),
    ("rest", ProjectKind::Api),
    ("api", ProjectKind::Api),
    ("daemon", ProjectKind::Service),
    ("worker", ProjectKind::Service),
    ("web", ProjectKind::Webapp),
    ("mobile", ProjectKind::Webapp),
    ("frontend", ProjectKind::Webapp),
];

/// The kind of the product: as wanted, as said, as its checks suggest.
pub(super) fn kind(gathered: &Gathered, wanted: &Wanted<'_>, notes: &mut Notes) -> ProjectKind {
    if let Some(kind) = wanted.kind {
        return kind;
    }
    let said = gathered.kind_words.to_lowercase();
    let has =
        |word: &str| said.split(|c: char| !c.is_alphanumeric() && c != '-' && c != ' ').any(|part| holds(part, word));
    let named = WORDS.iter().find(|(word, _)| has(word)).map(|(_, kind)| *kind);
    let runs = gathered.requirements.iter().any(|r| r.proofs.iter().any(|p| p.probe.is_some()));
    let (kind, why) = match named {
        Some(kind) => (kind, "from its description"),
        None if runs => (ProjectKind::Cli, "since its scenarios run commands"),
        None => (ProjectKind::Library, "since nothing says another one"),
    };
    notes.guess(format!("the kind `{}`, {why}; another one: --kind", kind.name()));
    kind
}

/// Whether a text holds a word as a whole.
fn holds(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        !part(before) && !part(after)
    })
}

/// The least shape of a kind, made of the slices: other tools state none.
pub(super) fn shape(kind: ProjectKind, id: &str, title: &str, slices: &[Slice], notes: &mut Notes) -> Structure {
    notes.guess(format!("the structure of the {}, from the slices' titles", kind.name()));
    match kind {
        ProjectKind::Cli => {
            let commands = slices.iter().map(|s| Command {
                name: s.id.to_string(),
                summary: s.title.clone(),
                args: vec![],
                exit_codes: [].into(),
            });
            Structure::Cli(Cli { entrypoint: entrypoint(slices, id), commands: commands.collect() })
        }
        ProjectKind::Library => {
            let public_api = slices.iter().map(|s| Symbol {
                symbol: s.id.to_string(),
                kind: "capability".into(),
                summary: s.title.clone(),
                signature: None,
            });
            Structure::Library(Library { package_name: id.into(), public_api: public_api.collect(), examples: vec![] })
        }
        ProjectKind::Api => {
            let endpoints = slices.iter().map(|s| Endpoint {
                method: "GET".into(),
                path: format!("/{}", s.id),
                summary: s.title.clone(),
                response_shape: "not said".into(),
                auth: None,
            });
            Structure::Api(Api { base_path: "/".into(), endpoints: endpoints.collect(), data_model: vec![] })
        }
        ProjectKind::Service => {
            let health_checks = vec!["not said".into()];
            Structure::Service(ServiceShape { service_name: id.into(), health_checks, ports: vec![] })
        }
        ProjectKind::Webapp => {
            let (component, key_text) = ("Home".to_owned(), title.to_owned());
            let route = Route {
                path: "/".into(),
                component: component.clone(),
                key_text: key_text.clone(),
                method: None,
                request_shape: None,
                response_shape: None,
                error_codes: vec![],
            };
            let components = vec![Component { name: component, key_text }];
            Structure::Webapp(Webapp { routes: vec![route], components, data_model: vec![] })
        }
    }
}

/// The program that the first check runs, else one of the spec's name.
fn entrypoint(slices: &[Slice], id: &str) -> String {
    let run = slices.iter().flat_map(|s| &s.checks).find_map(|c| match &c.kind {
        CheckKind::CliProbe { shell: Some(script), .. } => script.lines().last()?.split_whitespace().next(),
        _ => None,
    });
    run.map_or_else(|| format!("./{id}"), str::to_owned)
}
