//! The grammar on real and on broken intents.

use super::*;
use crate::spec::model::Structure;

const EXAMPLE: &str = include_str!("../../tests/intent-example.md");

fn ok(source: &str) -> Compiled {
    compile(source.as_bytes(), "x.md", None).unwrap_or_else(|e| panic!("{}", e.render(false)))
}

#[test]
fn the_example_compiles() {
    let c = ok(EXAMPLE);
    assert_eq!(c.spec.id.as_str(), "jot");
    assert_eq!(c.spec.intent, "Keep one-line notes from the shell, with nothing to install.");
    assert_eq!(c.spec.non_goals, ["editing", "syncing", "colours"]);
    assert!(c.literate && c.has_all_code);
    let Structure::Cli(cli) = &c.spec.structure else { panic!() };
    assert_eq!(cli.entrypoint, "./jot");
    assert_eq!(cli.commands.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["add", "list", "find"]);
    let find = &c.spec.slices[3];
    assert_eq!(find.deps[0].as_str(), "add");
    assert_eq!(find.owned_paths, ["cmd/find"]);
    assert_eq!(find.checks.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), ["find-1", "find-2"]);
    assert_eq!(c.spec.slices[1].checks[0].proves, ["R2"]);
    assert_eq!(c.files[&c.spec.files[0].sha256].iter().filter(|b| **b == b'\n').count(), 4);
}

#[test]
fn the_larger_example_compiles() {
    let c = ok(include_str!("../../examples/jot.md"));
    assert_eq!(c.spec.slices.len(), 6);
    assert_eq!(c.spec.slices[5].deps.len(), 2);
    assert_eq!(c.spec.files.iter().filter(|f| f.attempt == 2).count(), 1);
    assert_eq!(c.spec.cross_slice_checks.len(), 1);
    if let Ok(dir) = std::env::var("DUMP") {
        std::fs::write(format!("{dir}/spec.json"), serde_json::to_vec(&c.spec).unwrap()).unwrap();
        for (k, v) in &c.files {
            std::fs::write(format!("{dir}/{k}"), v).unwrap();
        }
    }
}

const ALL_KINDS: &str = include_str!("../../tests/all-kinds.md");

/// Compiling what was rendered gives the same spec and contents.
fn again(c: &Compiled) {
    let text = render(&c.spec, &c.files, true);
    let back = compile(text.as_bytes(), "again.md", Some(&c.spec.id))
        .unwrap_or_else(|e| panic!("{text}\n{}", e.render(false)));
    assert_eq!(serde_json::to_value(&back.spec).unwrap(), serde_json::to_value(&c.spec).unwrap(), "{text}");
    assert_eq!(back.files, c.files, "{text}");
}

#[test]
fn what_was_rendered_compiles_to_the_same() {
    let jot = include_str!("../../examples/jot.md");
    for source in [EXAMPLE, jot, ALL_KINDS, &EXAMPLE.replace('\n', "\r\n"), &format!("\u{feff}{jot}")] {
        again(&ok(source));
    }
    let c = ok(jot);
    let short = render(&c.spec, &c.files, false);
    assert!(!short.contains("#!/bin/sh") && short.contains("Owns: `cmd/export`."), "{short}");
}

#[test]
fn every_sentence_says_what_it_means() {
    let c = ok(ALL_KINDS);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write("tests/all-kinds.json", serde_json::to_string_pretty(&c.spec).unwrap() + "\n").unwrap();
    }
    assert_eq!(serde_json::to_string_pretty(&c.spec).unwrap() + "\n", include_str!("../../tests/all-kinds.json"));
    assert!(c.literate && c.has_all_code);
}

#[test]
fn every_kind_of_project_can_be_written() {
    let slice = "\n\n## Slice `a`\n\n**R1** Holds.\n\nCheck: `./a` exits 1.\n\nOwns: `a`.\n";
    for head in [
        "Kind: webapp.\n\nRoute `/` shows `Home` with `Welcome`.\nRoute `/b` shows `List` with `Notes`.\nComponent `List` shows `All notes`.\n\nStores `Note` with `id` and `text`.",
        "Kind: `library`, package `adder`. Not: numbers beyond ±2^53.\n\nSymbol `add`, a `function`, called as `add(a, b)`: adds.\nSymbol `ZERO`, a `constant`: is 0.\n\nUsed as `add(1, 2)`.",
        "Kind: api, below `/v1`.\n\nEndpoint `GET /notes` answers `[Note]`: lists the notes.\nEndpoint `POST /notes` answers `Note`, for `owner`: keeps one.\n\nStores `Note` with `id`.",
        "Kind: service, named `mailer`, on `8080` and `90`.\n\nHealth check: `GET /health` answers 200.",
        "Kind: cli, started as `./a`.\n\nCommand `add TEXT more`: keeps a note.",
        "Kind: `api`, in full:\n\n```json\n{\"base_path\":\"/\",\"endpoints\":[{\"method\":\"GET\",\"path\":\"/\",\"summary\":\"s\",\"response_shape\":\"x\"}]}\n```",
    ] {
        let c = ok(&format!("# T\n\nProse.\n\n{head}{slice}"));
        assert_eq!(c.spec.intent, "Prose.");
        again(&c);
    }
}
