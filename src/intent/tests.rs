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
