//! The commands that a project's CI runs: lines of scripts that are plainly one of the known commands. What is more than
//! that (variables, pipes, other folders) is not taken apart.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser};

use super::{Found, known};

/// No honest CI file is deeper; a hostile one must not exhaust the stack.
const DEPTH: usize = 64;

/// The known commands of a workflow of GitHub Actions.
pub(super) fn of_workflow(path: &str, text: &str) -> Vec<Found> {
    let Some(Node::Map(top)) = parse(text) else { return Vec::new() };
    let elsewhere = |of: &[(String, Node)]| {
        get(of, "defaults").and_then(|d| d.get("run")).is_some_and(|r| r.get("working-directory").is_some())
    };
    if elsewhere(&top) {
        return Vec::new();
    }
    let mut out = Vec::new();
    for (_, job) in get(&top, "jobs").map(Node::entries).unwrap_or_default() {
        if elsewhere(job.entries()) {
            continue;
        }
        for step in job.get("steps").map(Node::items).unwrap_or_default() {
            let script = step.get("run").and_then(Node::text);
            if step.get("working-directory").is_none() && step.get("shell").is_none_or(is_shell) {
                out.extend(script.into_iter().flat_map(|script| lines(path, script)));
            }
        }
    }
    out
}

/// The known commands of a GitLab pipeline.
pub(super) fn of_pipeline(path: &str, text: &str) -> Vec<Found> {
    let Some(Node::Map(top)) = parse(text) else { return Vec::new() };
    let mut out = Vec::new();
    for (_, job) in &top {
        let Some(script) = job.get("script") else { continue };
        // One shell runs all entries of a script.
        let entries = script.items().iter().chain([script]).filter_map(Node::text);
        out.extend(lines(path, &entries.collect::<Vec<_>>().join("\n")));
    }
    out
}

fn is_shell(node: &Node) -> bool {
    node.text().is_some_and(|shell| ["bash", "sh"].contains(&shell))
}

/// The known commands among the lines of a script, up to where it goes to another folder.
fn lines(path: &str, script: &str) -> Vec<Found> {
    let mut out = Vec::new();
    let mut goes_on = false;
    for line in script.lines().map(str::trim) {
        let whole = !goes_on;
        goes_on = line.ends_with('\\');
        if line.split_whitespace().any(|word| ["cd", "pushd"].contains(&word)) {
            break;
        }
        let command = known::words(line).filter(|_| whole && !goes_on);
        if let Some((command, what)) = command.and_then(|c| known::what(&c).map(|what| (c, what))) {
            out.push(Found { what, command, from: path.to_owned(), rank: 0 });
        }
    }
    out
}

/// A document of YAML, as far as it is looked at here. Aliases are left out: nothing grows beyond the size of its file.
#[derive(Debug)]
enum Node {
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
    Other,
}

fn get<'n>(entries: &'n [(String, Node)], key: &str) -> Option<&'n Node> {
    entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
}

impl Node {
    fn entries(&self) -> &[(String, Node)] {
        if let Node::Map(entries) = self { entries } else { &[] }
    }
    fn items(&self) -> &[Node] {
        if let Node::List(items) = self { items } else { &[] }
    }
    fn get(&self, key: &str) -> Option<&Node> {
        get(self.entries(), key)
    }
    fn text(&self) -> Option<&str> {
        if let Node::Text(text) = self { Some(text) } else { None }
    }
}

/// What is open while a document is read.
enum Open {
    List(Vec<Node>),
    /// With the key whose value is awaited.
    Map(Vec<(String, Node)>, Option<String>),
}

/// The first document of a text; none where it is no YAML, or deeper than anybody writes it.
fn parse(text: &str) -> Option<Node> {
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let done = match event.ok()?.0 {
            Event::Scalar(text, ..) => Node::Text(Cow::into_owned(text)),
            Event::Alias(_) => Node::Other,
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() >= DEPTH => return None,
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(Vec::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop()? {
                Open::List(items) => Node::List(items),
                Open::Map(entries, _) => Node::Map(entries),
            },
            _ => continue,
        };
        match open.last_mut() {
            None => return Some(done),
            Some(Open::List(items)) => items.push(done),
            Some(Open::Map(entries, awaited)) => match awaited.take() {
                Some(key) => entries.push((key, done)),
                // A key that is no text is never asked for, and its value must not pass for a key.
                None => *awaited = Some(if let Node::Text(key) = done { key } else { String::new() }),
            },
        }
    }
    None
}
