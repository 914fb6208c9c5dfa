//! Whether the expressions of a spec are any: asked of the evaluator, since their parsers are not trusted with this
//! process.

use crate::{
    base::{Failure, World},
    checks::{
        evaluator::{self, Answer, Question},
        model::CheckKind,
    },
    spec::{SpecError, model::Spec},
};

/// What is wrong with the paths and expressions of a spec, at JSON pointers. Nothing is started where it has none.
pub fn faults(world: &World, spec: &Spec) -> Result<Vec<SpecError>, Failure> {
    let (mut paths, mut expressions) = (Vec::new(), Vec::new());
    for (at, check) in spec.checks_at() {
        match &check.kind {
            CheckKind::ApiProbe { expect_json, .. } => {
                paths.extend(expect_json.keys().map(|path| (format!("{at}/expect_json"), path.clone())));
            }
            CheckKind::StateInvariant { expression, .. } if check.kind.is_unwritten().is_none() => {
                expressions.push((format!("{at}/expression"), expression.clone()));
            }
            _ => {}
        }
    }
    if paths.is_empty() && expressions.is_empty() {
        return Ok(Vec::new());
    }
    let told = |places: Vec<(String, String)>, faults: Vec<Option<String>>| -> Vec<SpecError> {
        let wrong = places.into_iter().zip(faults).filter_map(|((at, text), fault)| {
            Some(SpecError::new(at, format!("`{text}` cannot be evaluated: {}", fault?)))
        });
        wrong.collect()
    };
    if let Ok(faults) = ask(world, &paths, &expressions)? {
        paths.extend(expressions);
        return Ok(told(paths, faults));
    }
    // One of them is too much for any process: each is asked for alone.
    let mut faults = Vec::new();
    for path in &paths {
        faults.push(ask(world, std::slice::from_ref(path), &[])?.unwrap_or_else(|why| vec![Some(why)]));
    }
    for expression in &expressions {
        faults.push(ask(world, &[], std::slice::from_ref(expression))?.unwrap_or_else(|why| vec![Some(why)]));
    }
    paths.extend(expressions);
    Ok(told(paths, faults.into_iter().flatten().collect()))
}

/// What is wrong with each, paths first; or why nobody can say.
fn ask(
    world: &World,
    paths: &[(String, String)],
    expressions: &[(String, String)],
) -> Result<Result<Vec<Option<String>>, String>, Failure> {
    let texts = |all: &[(String, String)]| all.iter().map(|(_, text)| text.clone()).collect();
    let question = Question::Faults { paths: texts(paths), expressions: texts(expressions) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // In a thread of its own, since whoever asks may wait for others already.
    let asked = std::thread::scope(|s| s.spawn(|| runtime.block_on(evaluator::ask(world, &question))).join());
    Ok(match asked {
        Ok(Ok(Answer::Faults { faults })) => Ok(faults),
        Ok(Ok(_)) => Err("the evaluator answered something else".into()),
        Ok(Err(why)) => Err(why),
        Err(_) => Err("nobody answered".into()),
    })
}
