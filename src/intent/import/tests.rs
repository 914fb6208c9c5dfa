use std::{fs, path::Path};

use super::*;
use crate::{intent, plan::model::refusals, spec};

/// The documents of a folder of fixtures, as the command line finds them.
fn documents(folder: &str) -> Vec<Document> {
    fn walk(dir: &Path, below: &str, out: &mut Vec<Document>) {
        for entry in fs::read_dir(dir).unwrap() {
            let (path, name) = {
                let e = entry.unwrap();
                (e.path(), e.file_name().into_string().unwrap())
            };
            if path.is_dir() {
                walk(&path, &format!("{below}{name}/"), out);
            } else {
                let bytes = name.ends_with(".md").then(|| fs::read(&path).unwrap());
                let path = format!("{below}{name}");
                out.push(Document { shown: path.clone(), path, bytes });
            }
        }
    }
    let mut out = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(folder), "", &mut out);
    out.sort_by(|a, b| a.path.cmp(&b.path));
    out
}

fn wanted(name: &str) -> Wanted<'_> {
    Wanted { id: None, kind: None, name }
}

fn imported(tool: Tool, folder: &str, name: &str) -> Imported {
    let imported = read(tool, &documents(folder), wanted(name)).unwrap();
    spec::validate(&imported.spec).unwrap_or_else(|e| panic!("{e:#?}"));
    spec::parse(&spec::write(&imported.spec)).unwrap_or_else(|e| panic!("{e:#?}"));
    imported
}

/// The spec in words: what a person would compare with the documents.
fn outlined(imported: &Imported) -> String {
    let spec = &imported.spec;
    let mut out = format!("{} {} ({})\n", spec.id, spec.title, spec.project_kind.name());
    for r in &spec.requirements {
        out += &format!("{}: {}\n", r.id, r.text);
    }
    for s in &spec.slices {
        let deps: Vec<&str> = s.deps.iter().map(|d| d.as_str()).collect();
        out += &format!(
            "[{}] {} <- {} owns {} meets {}\n",
            s.id,
            s.title,
            deps.join(" "),
            s.owned_paths.join(" "),
            s.requirements.join(" ")
        );
        for task in &s.tasks {
            out += &format!("  - {task}\n");
        }
        for c in &s.checks {
            out += &format!("  {} proves {}: {}\n", c.id, c.proves.join(" "), crate::checks::sentence(c));
        }
    }
    for guess in &imported.guessed {
        out += &format!("guessed {guess}\n");
    }
    for lost in &imported.lost {
        out += &format!("lost {}: {} ({}; {})\n", lost.at, lost.what, lost.why, lost.advice);
    }
    out
}

/// What each folder becomes is a file beside it, to be read by people too.
fn becomes(tool: Tool, folder: &str, name: &str, golden: &str) {
    let imported = imported(tool, folder, name);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(golden);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, outlined(&imported)).unwrap();
    }
    assert_eq!(outlined(&imported), fs::read_to_string(path).unwrap());
    // A person edits it as Markdown: that says the same spec.
    let markdown = intent::render(&imported.spec, &Default::default(), true);
    let again = intent::compile(markdown.as_bytes(), "x.md", Some(&imported.spec.id));
    let again = again.unwrap_or_else(|e| panic!("{}\n{markdown}", e.render(false)));
    assert_eq!(
        String::from_utf8(spec::write(&again.spec)).unwrap(),
        String::from_utf8(spec::write(&imported.spec)).unwrap()
    );
}

#[test]
fn a_feature_of_spec_kit() {
    becomes(Tool::SpecKit, "spec-kit/specs/001-reading-list", "reading-list", "reading-list.txt");
}

#[test]
fn a_feature_whose_scenarios_all_run_has_nothing_to_write() {
    becomes(Tool::SpecKit, "spec-kit/specs/002-greeter", "greeter", "greeter.txt");
    let imported = imported(Tool::SpecKit, "spec-kit/specs/002-greeter", "greeter");
    assert!(refusals(&imported.spec).is_empty());
}

#[test]
fn the_capabilities_of_openspec() {
    becomes(Tool::OpenSpec, "openspec/openspec", "feeds", "feeds.txt");
}

#[test]
fn a_change_of_openspec() {
    becomes(Tool::OpenSpec, "openspec/openspec/changes/add-digest", "add-digest", "add-digest.txt");
}

#[test]
fn no_check_that_was_invented_can_pass() {
    for (tool, folder) in [
        (Tool::SpecKit, "spec-kit/specs/001-reading-list"),
        (Tool::OpenSpec, "openspec/openspec"),
        (Tool::OpenSpec, "openspec/openspec/changes/add-digest"),
    ] {
        let spec = imported(tool, folder, "x").spec;
        let unwritten = spec.checks().filter(|(_, c)| c.kind.is_unwritten().is_some()).count();
        let written = spec.checks().count() - unwritten;
        assert!(unwritten > written && refusals(&spec).len() == unwritten, "{folder}");
    }
}

fn document(path: &str, text: &str) -> Document {
    Document { path: path.into(), shown: path.into(), bytes: Some(text.into()) }
}

#[test]
fn what_is_no_specification_is_refused_without_a_panic() {
    let says = |tool, documents: &[Document]| match read(tool, documents, wanted("x")) {
        Ok(imported) => {
            let _ = spec::validate(&imported.spec);
            "read"
        }
        Err(NoImport::Document(_)) => "document",
        Err(NoImport::Nothing) => "nothing",
        Err(NoImport::NoId) => "no id",
    };
    let spec_kit = |text: &str| says(Tool::SpecKit, &[document("spec.md", text)]);
    let openspec = |text: &str| says(Tool::OpenSpec, &[document("spec.md", text)]);
    assert_eq!((says(Tool::SpecKit, &[]), says(Tool::OpenSpec, &[])), ("nothing", "nothing"));
    for text in ["", "# Only a title\n", "## Requirements\n\nNone.\n", "---\n", "---\n---\n"] {
        assert_eq!((spec_kit(text), openspec(text)), ("nothing", "nothing"), "{text:?}");
    }
    for text in
        ["```\nnever closed\n", "a\0b", "> > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > > deep"]
    {
        assert_eq!((spec_kit(text), openspec(text)), ("document", "document"), "{text:?}");
    }
    let dash = Document { bytes: None, ..document("spec.md", "") };
    assert_eq!(says(Tool::SpecKit, std::slice::from_ref(&dash)), "nothing");
    let story =
        "### User Story 1 - \u{2603} (Priority: P99999999999)\n\n1. **Given** **When** **Then**\n2. **Then** x\n";
    assert_eq!(spec_kit(story), "read");
    assert_eq!(openspec("## Requirements\n\n### Requirement:\n\n#### Scenario:\n- **THEN**\n"), "nothing");
    assert_eq!(openspec("## Requirements\n\n### Requirement: \u{2603}\n\n#### Scenario:\n- **THEN**\n"), "read");
    let many: String = (0..400).map(|n| format!("### User Story {n} - s\n\n**Then** x\n\n")).collect();
    let cut = read(Tool::SpecKit, &[document("spec.md", &many)], wanted("x")).unwrap();
    assert_eq!(cut.spec.slices.len(), 200);
    assert!(cut.lost.iter().any(|l| l.what == "200 slices after the first 200"), "{:?}", cut.lost);
    let long = format!("### User Story 1 - s\n\n**Then** {}\n", "x".repeat(30_000));
    let cut = read(Tool::SpecKit, &[document("spec.md", &long)], wanted("x")).unwrap();
    spec::validate(&cut.spec).unwrap();
}

#[test]
fn every_prefix_of_a_feature_is_read_or_refused() {
    let documents = documents("spec-kit/specs/001-reading-list");
    for n in (0..4000).step_by(37) {
        let cut = documents.iter().map(|d| {
            let bytes = d.bytes.as_ref().map(|b| b[..b.len().min(n)].to_vec());
            Document { bytes, ..d.clone() }
        });
        let cut: Vec<Document> = cut.collect();
        if let Ok(imported) = read(Tool::SpecKit, &cut, wanted("x")) {
            spec::validate(&imported.spec).unwrap_or_else(|e| panic!("{n}: {e:?}"));
        }
    }
}
