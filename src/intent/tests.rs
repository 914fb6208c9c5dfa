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

#[test]
fn an_intent_without_slices_is_one() {
    let c = ok(
        "# Hello\n\nSay hello.\n\nKind: `cli`, started as `./hello`.\n\nCommand `hello`: greets.\n\n**R1** It greets.\n\n\
         Check: `./hello` prints `hello`.\n\nKeep it small.\n\nFile `hello`, executable:\n\n```sh\n#!/bin/sh\necho hello\n```\n",
    );
    let [main] = &c.spec.slices[..] else { panic!("{:?}", c.spec.slices) };
    assert_eq!(
        (main.id.as_str(), &main.owned_paths[..], &main.tasks[..]),
        ("main", &["hello".to_owned()][..], &["Keep it small.".to_owned()][..])
    );
    assert_eq!((main.requirements[0].as_str(), main.checks[0].id.as_str()), ("R1", "main-1"));
    assert_eq!(c.spec.intent, "Say hello.");
    assert!(c.guessed.iter().any(|g| g.contains("one slice `main`")), "{:?}", c.guessed);
    again(&c);
}

#[test]
fn prose_is_told_from_sentences() {
    for prose in [
        "A keeper of notes.",
        "# Notes\n\nA keeper of notes.\n\n## Goals\n\n- small\n- **fast**\n\n## How\n\nPlain text: no database.\n",
        "# Notes\n\nKind: `cli`, started as `./notes`.\n\nIt keeps notes.",
        "```\n## Slice `a`\n```\n",
        "# t\n\nCheck that `./t` works, and own the code.\n",
    ] {
        assert!(is_prose(prose.as_bytes()), "{prose}");
    }
    for formal in [
        "",
        " \n<!-- nothing -->\n",
        "# t\n\n## slice a\n",
        "# t\n\n## Across `a` and `b`\n",
        "# t\n\n## Notes\n\nCheck: `./t` prints `x`.\n",
        "Prose\nCheck: `./t` prints `x`.\n",
        "**R1** Holds.\n",
        "Owns: `x`.",
        "not \0 text",
    ] {
        assert!(!is_prose(formal.as_bytes()), "{formal}");
    }
    assert!(!is_prose(EXAMPLE.as_bytes()) && !is_prose(b"\xff"));
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

/// Every malformed intent with its places: `tests/malformed/intents/TABLE` has a line `file line:column message part` for
/// each of them, in order.
#[test]
fn malformed_intents_are_told_their_places() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/malformed/intents");
    let mut names: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    let mut told = String::new();
    for name in names.iter().filter_map(|n| n.to_str()?.strip_suffix(".md")) {
        let source = std::fs::read(dir.join(format!("{name}.md"))).unwrap();
        let e = compile(&source, "x.md", None).expect_err(name);
        assert!(!e.list.is_empty(), "{name}");
        for place in &e.list {
            told += &format!("{name} {}:{} {}\n", place.line, place.column, place.message);
        }
        for colour in [false, true] {
            assert!(e.render(colour).contains(&e.list[0].message), "{name}");
        }
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(dir.join("TABLE"), &told).unwrap();
    }
    let table = std::fs::read_to_string(dir.join("TABLE")).unwrap();
    assert!(table.lines().count() >= 40);
    assert_eq!(told, table);
}

#[test]
fn hostile_sizes_are_refused_before_anything_reads_them() {
    let head = "# t\n\nKind: cli, started as `./t`.\n\n## Slice `a`\n\n**R1** Holds.\n\nOwns: `a`.\n\n";
    for (body, what) in [
        ("x".repeat(5 << 20), "are more than the"),
        ("\n".repeat(200_000), "more than 100000 lines"),
        (">".repeat(1000), "nested more than 32 deep"),
        ("- ".repeat(1000) + "x", "nested more than 32 deep"),
        ("[".repeat(100_000), "this line is longer than"),
    ] {
        let e = compile(format!("{head}{body}").as_bytes(), "x.md", None).unwrap_err();
        assert!(e.list[0].message.contains(what), "{}", e.list[0].message);
    }
    let many = format!("{head}{}", "Check: x\n\n".repeat(3000));
    let e = compile(many.as_bytes(), "x.md", None).unwrap_err();
    assert_eq!((e.list.len(), e.more), (100, 2900));
    assert!(e.render(false).ends_with("and 2900 more\n"));
}

#[test]
fn an_error_shows_its_line_and_the_accepted_sentence() {
    let e = compile(b"# t\n\nKind: cli.\n", "dir/x.md", None).unwrap_err();
    let shown = e.render(false);
    for part in [
        "error: this is not understood from here on",
        "dir/x.md:3:10",
        "Kind: cli.",
        "accepted: Kind: `cli`, started as `./name`.",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    assert!(e.render(true).contains('\u{1b}'));
    let json = serde_json::to_value(&e.list[0]).unwrap();
    assert_eq!((json["line"].as_u64(), json["column"].as_u64()), (Some(3), Some(10)));
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    /// Pieces that break Markdown or the grammar.
    const PIECES: [&str; 30] = [
        "`",
        "``",
        "**",
        "\n",
        "\n\n",
        "# ",
        "## ",
        "## Slice `x`\n",
        "```\n",
        "~~~",
        "> ",
        "- ",
        "1. ",
        "Check: ",
        "Keeps:",
        "File `x`:\n",
        "\u{feff}",
        "\0",
        "\r",
        "é",
        "日",
        "🦀",
        "[x]: y\n",
        "<!--",
        "&amp;",
        "\\",
        "Not: ",
        "Proves: all.",
        "Check, in full:\n\n```\n{}\n```\n",
        "\t",
    ];

    fn text() -> impl Strategy<Value = String> {
        // What a span, a title or a requirement can hold: one line, no blanks at its ends.
        "[a-zA-Z`$*_<&#~|]([a-z `'\"$*_<>&#.:,;~|é🦀-]{0,12}[a-z`'\"*_>.é])?"
    }

    fn check(n: usize) -> impl Strategy<Value = serde_json::Value> {
        let lines =
            prop::collection::vec(text(), 0..3).prop_map(|l| l.iter().map(|l| format!("{l}\n")).collect::<String>());
        let proves = prop::sample::subsequence((0..n).map(|i| format!("R{i}")).collect::<Vec<_>>(), 0..=n);
        (text(), prop::option::of(lines), prop::option::of(text()), 0_i64..4, any::<bool>(), prop::option::of(1_u32..99), proves, 0..6)
            .prop_map(|(t, stdout, contains, exit, keeps, timeout, proves, kind)| {
                let mut c = match kind {
                    0 => serde_json::json!({"kind": "repo_test", "command": ["sh", t]}),
                    1 => serde_json::json!({"kind": "pytest", "selector": t}),
                    2 => serde_json::json!({"kind": "cli_probe", "command": ["a", t], "stdin": "x\n"}),
                    3 => serde_json::json!({"kind": "api_probe", "service": "web", "path": format!("/{t}"), "body": {"a": t}}),
                    _ => serde_json::json!({"kind": "cli_probe", "shell": t}),
                };
                if c["kind"] == "cli_probe" {
                    c["stdout"] = stdout.into();
                    c["stdout_contains"] = contains.into_iter().collect::<Vec<_>>().into();
                    c["expect_exit"] = exit.into();
                }
                c["gate"] = if keeps { "keeps" } else { "new" }.into();
                c["timeout_s"] = timeout.into();
                c["proves"] = proves.into();
                c
            })
    }

    prop_compose! {
        fn spec()(n in 1_usize..5)(
            texts in prop::collection::vec(text(), n),
            slices in prop::collection::vec((prop::collection::vec(check(n), 1..4), prop::sample::subsequence((0..n).collect::<Vec<_>>(), 0..=n), prop::collection::vec(text(), 0..3), any::<bool>()), 1..4),
            cross in prop::collection::vec(check(n), 0..3),
            goals in prop::collection::vec("[a-z]{1,5}(, [a-z]{1,5})?", 0..3),
            reverse in any::<bool>(),
        ) -> Compiled {
            let mut c = ok(EXAMPLE);
            let mut id = 0;
            let mut name = |mut check: serde_json::Value, odd: usize| {
                id += odd;
                check["id"] = format!("c-{id}").into();
                serde_json::from_value(check).unwrap()
            };
            let s = &mut c.spec;
            s.requirements = texts.iter().enumerate().map(|(i, t)| model::Requirement { id: format!("R{i}"), text: format!("x {t}") }).collect();
            if reverse {
                s.requirements.reverse();
            }
            s.cross_slice_checks.clear();
            s.slices.truncate(slices.len());
            s.files.retain(|f| s.slices.iter().any(|s| s.id == f.slice));
            c.files.retain(|d, _| s.files.iter().any(|f| f.sha256 == *d));
            for (slice, (checks, own, tasks, titled)) in s.slices.iter_mut().zip(slices) {
                slice.checks = checks.into_iter().map(|c| name(c, 1)).collect();
                slice.requirements = own.into_iter().map(|i| format!("R{i}")).collect();
                slice.tasks = tasks.into_iter().map(|t| format!("do {t}")).collect();
                slice.title = if titled { "A title".into() } else { slice.id.to_string() };
            }
            let ids: Vec<_> = s.slices.iter().map(|s| s.id.clone()).collect();
            s.cross_slice_checks = cross.into_iter().map(|c| model::CrossCheck { slices: ids.clone(), check: name(c, 2) }).collect();
            s.non_goals = goals;
            c
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

        #[test]
        fn nothing_panics(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_usize..40), 1..8)) {
            let mut source = ALL_KINDS.as_bytes().to_vec();
            for (at, piece, gone) in edits {
                let at = at.index(source.len() + 1);
                let end = (at + gone).min(source.len());
                source.splice(at..end, PIECES[piece.index(PIECES.len())].bytes());
            }
            match compile(&source, "x.md", None) {
                Ok(c) => { render(&c.spec, &c.files, true); }
                Err(e) => {
                    prop_assert!(!e.list.is_empty());
                    e.render(false);
                }
            }
        }

        #[test]
        fn any_bytes_are_answered(source in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(compile(&source, "x.md", None).is_err());
        }

        #[test]
        fn generated_specs_come_back(c in spec()) {
            again(&c);
        }
    }
}

#[test]
fn what_validation_finds_is_told_at_its_place() {
    let c = ok(EXAMPLE);
    let found = [("/slices/3/checks/0/shell", "no such thing"), ("/nowhere", "lost"), ("/slices/30", "beyond")];
    let e = c.refuse(found.map(|(pointer, message)| (pointer.to_owned(), message.to_owned())));
    let told: Vec<_> = e.list.iter().map(|p| (p.line, p.message.as_str())).collect();
    assert_eq!(told, [(1, "lost"), (1, "beyond"), (56, "no such thing")]);
}
