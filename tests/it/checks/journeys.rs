//! Journeys through a browser, by a command that leaves pictures.

use git_otto::checks::{
    self,
    model::{Cause, Outcome},
};
use serde_json::json;

use super::{Bench, check};
use crate::support::Sandbox;

/// A picture of one pixel.
const PIXEL: &str = "\\211PNG\\r\\n\\032\\n\\000\\000\\000\\rIHDR\\000\\000\\000\\001\\000\\000\\000\\001\\010\\000\\000\\000\\000:~\\233U\\000\\000\\000\\nIDATx\\234c\\370\\017\\000\\001\\001\\001\\000\\033\\266\\356V\\000\\000\\000\\000IEND\\256B`\\202";

/// What comes of a script that must leave pictures.
fn journey(bench: &Bench, script: &str) -> Outcome {
    let journey = json!({"id": "c", "kind": "browser_journey", "command": ["sh", "-c", script],
        "evidence_globs": ["shots/*.png"], "timeout_s": 2});
    bench.runtime.block_on(checks::run(&bench.world, &check(&journey), bench.on()))
}

#[test]
fn a_command_must_pass_and_leave_what_it_declares() {
    let bench = Bench::new();
    let shots = bench.dir.path().join("shots");
    std::fs::create_dir(&shots).unwrap();
    std::fs::write(shots.join("old.png"), "from the repository").unwrap();
    for (script, cause, said) in [
        ("printf x > shots/new.png", Cause::Holds, "everything"),
        ("printf x > shots/new.png; exit 3", Cause::Assertion, "exit code 3, expected 0"),
        ("true", Cause::Assertion, "it left no file that matches shots/*.png"),
        ("ln -s /etc/passwd shots/new.png", Cause::Assertion, "it left no file"),
        ("printf x > shots/new.png; sleep 1000", Cause::Timeout, "it ran for too long"),
    ] {
        let Outcome { evidence, artifacts, .. } = journey(&bench, script);
        assert!(evidence.cause == cause && evidence.detail.contains(said), "{script}: {evidence:#?}");
        let left: Vec<&str> = artifacts.keys().map(String::as_str).collect();
        let wanted = if script.starts_with("printf") { &["shots/new.png"][..] } else { &[] };
        assert_eq!((left.as_slice(), evidence.artifacts.len()), (wanted, wanted.len()), "{script}");
        let _ = std::fs::remove_file(shots.join("new.png"));
    }
}

#[test]
fn its_pictures_are_in_the_packet() {
    let s = Sandbox::new();
    let journey =
        json!({"id": "look", "kind": "browser_journey", "command": ["./look"], "evidence_globs": ["shots/*.png"]});
    let intent = format!(
        "# Look\n\nA page.\n\nKind: `cli`, started as `./look`.\n\nCommand `look`: looks.\n\n## Slice `look`\n\n**R1** It looks.\n\n\
         Check, in full:\n\n```json\n{journey}\n```\n\n\
         File `look`, executable:\n\n```sh\n#!/bin/sh\nmkdir -p shots && printf '{PIXEL}' > shots/page.png\n```\n"
    );
    s.write("intent.md", intent);
    s.otto(&["run", "--yes", "../intent.md"]).exits(0);
    let page = s.otto(&["report", "--format", "html"]).exits(0);
    assert!(
        page.stdout.contains("data:image&#x2f;png;base64,iVBORw0KGgo"),
        "{}",
        &page.stdout[..2000.min(page.stdout.len())]
    );
    assert!(s.otto(&["evidence", "show", "look"]).exits(0).stdout.contains("shots/page.png"));
}
