//! Expressions over facts: judged in a process of their own, whatever they are.

use std::fmt::Write as _;

use git_otto::checks::evaluator::{self, Answer, MAX_SOURCE, Question};
use serde_json::{Map, Value, json};

use super::Bench;
use crate::support::Sandbox;

fn facts() -> Map<String, Value> {
    let many: Vec<Value> = (0..1000).map(Value::from).collect();
    json!({"files": {"a.txt": {"size": 2, "text": "hi"}}, "many": many}).as_object().unwrap().clone()
}

/// Expressions that would cost a host its time, its memory or its stack.
fn bombs() -> Vec<String> {
    let nested = |open: &str, close: &str, n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
    let all = |n: usize| {
        let mut text = String::new();
        (0..n).for_each(|i| write!(text, "many.all(x{i}, ").unwrap());
        format!("{text}true{}", ")".repeat(n))
    };
    let doubled = |n: usize| format!("{}'ab'{}", "[".repeat(n), "].map(x, [x, x])[0]".repeat(n));
    vec![
        nested("(", ")", 600),
        nested("[", "]", 1000),
        nested("{1: ", "}", 400),
        nested("-", "", 2000),
        nested("!", "", 2000),
        vec!["1"; 1000].join("+"),
        vec!["true"; 400].join("&&"),
        vec!["1"; 300].join("<"),
        "true?".repeat(400) + "1" + &":1".repeat(400),
        ".a".repeat(1000),
        format!("files{}", ".a".repeat(1000)),
        format!("files{}", "['a']".repeat(400)),
        all(3),
        all(4),
        all(20),
        "many.map(x, many.map(y, many.map(z, x + y + z))).size() > 0".into(),
        "many.filter(x, many.exists(y, many.exists(z, x * y * z == -1))).size() == 0".into(),
        "many.map(x, many).map(x, many).map(x, many.map(y, many)).size() == 1".into(),
        doubled(30),
        format!("'{}'.matches('(a*)*(a*)*(a*)*b')", "a".repeat(500)),
        "'a'.matches('((((a{1,100}){1,100}){1,100}){1,100})')".into(),
        "9223372036854775807 * 9223372036854775807 > 0".into(),
        "\u{0}".into(),
        "x".repeat(MAX_SOURCE * 2),
        "[many, many, many].map(a, a.map(b, a.map(c, string(b) + string(c)))).size() == 3".into(),
    ]
}

#[test]
fn bombs_end_with_a_verdict_or_a_reason() {
    let bench = Bench::new();
    let bombs = bombs();
    assert_eq!(bombs.len(), 25);
    for expression in bombs {
        let question = Question::Holds { expression: expression.clone(), facts: facts() };
        let begun = std::time::Instant::now();
        let answer = bench.runtime.block_on(evaluator::ask(&bench.world, &question));
        let shown: String = expression.chars().take(60).collect();
        println!("{:>6} ms  {shown}: {answer:?}", begun.elapsed().as_millis());
        match answer {
            Ok(Answer::Holds | Answer::Fails { .. } | Answer::Unknown { .. }) => {}
            Ok(other) => panic!("{shown}: {other:?}"),
            Err(why) => assert!(why.contains("evaluation"), "{shown}: {why}"),
        }
    }
}

/// A number below `n`, from a state that it moves on (xorshift, Marsaglia 2003).
fn below(state: &mut u64, n: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state % n as u64) as usize
}

/// An expression of the grammar, or nearly one.
fn expression(state: &mut u64, depth: usize) -> String {
    const LEAVES: [&str; 12] = [
        "1",
        "2.5",
        "'a'",
        "true",
        "null",
        "files",
        "many",
        "x",
        "files['a.txt']",
        "files['no']",
        "[1, 2]",
        "{'k': 1}",
    ];
    if depth == 0 {
        return LEAVES[below(state, LEAVES.len())].into();
    }
    let mut part = || expression(state, depth - 1);
    let (a, b) = (part(), part());
    match below(state, 14) {
        0 => format!("{a} && {b}"),
        1 => format!("({a} || {b})"),
        2 => format!("{a} == {b}"),
        3 => format!("{a} < {b}"),
        4 => format!("{a} + {b}"),
        5 => format!("!({a})"),
        6 => format!("{a} in {b}"),
        7 => format!("{a}.all(x, {b})"),
        8 => format!("{a}.map(x, {b}).size() > 1"),
        9 => format!("{a} ? {b} : x"),
        10 => format!("size({a})"),
        11 => format!("{a}.text.contains({b})"),
        12 => format!("has(files.{b})"),
        _ => format!("{a} {b}"),
    }
}

#[test]
fn any_expression_has_an_answer() {
    let count = std::env::var("OTTO_TEST_EXPRESSIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(150);
    let bench = Bench::new();
    let mut state = 0x2545_f491_4f6c_dd1d;
    let mut kinds = [0; 4];
    for _ in 0..count {
        let depth = 1 + below(&mut state, 4);
        let expression = expression(&mut state, depth);
        let question = Question::Holds { expression: expression.clone(), facts: facts() };
        let kind = match bench.runtime.block_on(evaluator::ask(&bench.world, &question)) {
            Ok(Answer::Holds) => 0,
            Ok(Answer::Fails { told }) => {
                assert!(!told.is_empty(), "{expression}");
                1
            }
            Ok(Answer::Unknown { why }) => {
                assert!(!why.is_empty(), "{expression}");
                2
            }
            Err(why) => {
                assert!(why.contains("evaluation"), "{expression}: {why}");
                3
            }
            Ok(other) => panic!("{expression}: {other:?}"),
        };
        kinds[kind] += 1;
    }
    println!(
        "{count} expressions: {} hold, {} fail, {} unknown, {} broken off",
        kinds[0], kinds[1], kinds[2], kinds[3]
    );
    assert!(kinds[..3].iter().all(|n| *n > 0), "{kinds:?}");
}

const INTENT: &str = "# Greeting\n\nA file that greets.\n\nKind: `cli`, started as `./greet`.\n\nCommand `greet`: greets.\n\n\
    ## Slice `greet`\n\n**R1** It greets.\n\nInvariant: `EXPRESSION`: the greeting is there.\n\n\
    File `greet`, executable:\n\n```sh\n#!/bin/sh\necho hello\n```\n";

#[test]
fn an_invariant_lands_what_makes_it_true_and_stops_what_does_not() {
    let s = Sandbox::new();
    let holds = "'greet' in files && files['greet'].executable && files['greet'].text.contains('hello') \
        && spec.slices.size() == 1 && diff.changed == []";
    s.write("intent.md", INTENT.replace("EXPRESSION", holds));
    s.otto(&["run", "--yes", "../intent.md"]).exits(0);
    let shown = s.otto(&["evidence", "show", "greet-1"]).exits(0);
    assert!(shown.stdout.contains("the expression is true"), "{}", shown.stdout);

    let s = Sandbox::new();
    s.write("intent.md", INTENT.replace("EXPRESSION", "'greet' in files && files['greet'].size > 1000"));
    s.otto(&["run", "--yes", "../intent.md"]).exits(5);
    let why = s.otto(&["why", "greet"]);
    let said = "files['greet'].size > 1000 is not true: files['greet'].size is 21";
    assert!(why.stdout.contains(said), "{}", why.stdout);
}

#[test]
fn what_is_no_expression_is_refused_where_it_stands() {
    let s = Sandbox::new();
    s.write("intent.md", INTENT.replace("EXPRESSION", "files.size( > 1"));
    let refused = s.otto(&["compile", "../intent.md"]).exits(3);
    for part in ["intent.md:13", "`files.size( > 1` cannot be evaluated", "no expression of CEL"] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    let many = format!("{}1{}", "(".repeat(900), ")".repeat(900));
    s.write("intent.md", INTENT.replace("EXPRESSION", &many));
    s.otto(&["compile", "../intent.md"]).exits(3);
    let request = "Kind: `api`, below `/v1`.\n\nEndpoint `GET /a` answers `A`, for `anyone`: a.\n\n\
        Service `web`: `./web` is ready when `/` answers.\n\n## Slice `a`\n\n**R1** A.\n\nOwns: `web`.\n\n\
        Request: `GET /a` to `web` answers 200 and has `$.[` as `1`.\n";
    s.write("intent.md", format!("# A\n\nB.\n\n{request}"));
    let refused = s.otto(&["compile", "../intent.md"]).exits(3);
    assert!(refused.stderr.contains("`$.[` cannot be evaluated: it is no JSONPath"), "{}", refused.stderr);
}
