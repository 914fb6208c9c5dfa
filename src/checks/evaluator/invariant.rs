//! Expressions in the Common Expression Language (<https://cel.dev>) over collected facts: whether they hold, and what of
//! them does not. Only ever evaluated in the evaluator's own process.

use std::{collections::HashMap, sync::Arc};

use cel::{
    Context, Env, IdedExpr, Value as Cel,
    common::ast::{ComprehensionExpr, EntryExpr, Expr, SourceInfo, operators},
};
use serde_json::{Map, Value};

use super::{Answer, MAX_SOURCE};
use crate::base::text;

/// How deep an expression may be nested.
const MAX_NESTED: u16 = 96;
/// How much of a value is shown, characters.
const SHOWN: usize = 120;
/// How many values are shown for one sub-expression.
const MANY: usize = 6;

/// An expression that can be evaluated.
struct Program {
    expression: IdedExpr,
    info: SourceInfo,
    source: Vec<char>,
}

/// Whether an expression is exactly `true` over the facts.
pub(super) fn judge(expression: &str, facts: &Map<String, Value>) -> Answer {
    let program = match Program::parse(expression) {
        Ok(program) => program,
        Err(why) => return Answer::Unknown { why },
    };
    let mut context = Context::with_env(Arc::new(Env::stdlib()));
    for (name, value) in facts {
        context.add_variable_from_value(name.as_str(), converted(value));
    }
    match context.resolve(&program.expression) {
        Ok(Cel::Bool(true)) => Answer::Holds,
        Ok(Cel::Bool(false)) => {
            let mut told = Vec::new();
            program.explain(&program.expression, &context, &mut told);
            Answer::Fails { told }
        }
        Ok(other) => {
            let why = format!("it is {}, and neither true nor false", shown(&other));
            Answer::Unknown { why }
        }
        Err(e) => Answer::Unknown { why: text::one_line(&e.to_string(), 300) },
    }
}

/// What is wrong with an expression, whatever the facts.
pub(super) fn fault(expression: &str) -> Option<String> {
    Program::parse(expression).err()
}

impl Program {
    fn parse(source: &str) -> Result<Program, String> {
        if source.len() > MAX_SOURCE {
            return Err(format!("{} bytes are more than the {MAX_SOURCE} that an expression may have", source.len()));
        }
        let parser = Env::stdlib().parser().max_recursion_depth(MAX_NESTED);
        let parsed = parser.parse_with_source_info(source);
        let (expression, info) = parsed.map_err(|e| {
            let said = e.to_string();
            let said = said.strip_prefix("ERROR: ").unwrap_or(&said);
            format!("it is no expression of CEL: {}", text::one_line(said, 300))
        })?;
        Ok(Program { expression, info, source: source.chars().collect() })
    }

    /// Says what of an expression that is not true makes it so, and from which values.
    fn explain(&self, e: &IdedExpr, context: &Context<'_, '_>, told: &mut Vec<String>) {
        if told.len() >= MANY {
            return;
        }
        match &e.expr {
            Expr::Call(call) if call.func_name == operators::LOGICAL_AND => {
                let first = call.args.iter().find(|arg| context.resolve(arg) != Ok(Cel::Bool(true)));
                self.explain(first.unwrap_or(e), context, told);
            }
            Expr::Call(call) if call.func_name == operators::LOGICAL_OR => {
                call.args.iter().for_each(|arg| self.explain(arg, context, told));
            }
            Expr::Comprehension(all) => match self.counterexample(all, context) {
                Some((names, inner)) => {
                    let mut scope = context.new_inner_scope();
                    for (name, value) in names {
                        told.push(format!("for {name} = {}:", shown(&value)));
                        scope.add_variable_from_value(name, value);
                    }
                    self.explain(inner, &scope, told);
                }
                None => self.leaf(e, &[&all.iter_range], context, told),
            },
            Expr::Call(call) => {
                let parts: Vec<&IdedExpr> = call.target.as_deref().into_iter().chain(&call.args).collect();
                self.leaf(e, &parts, context, told);
            }
            _ => self.leaf(e, &[], context, told),
        }
    }

    /// A sub-expression that is not true, with the values of its parts.
    fn leaf(&self, e: &IdedExpr, parts: &[&IdedExpr], context: &Context<'_, '_>, told: &mut Vec<String>) {
        let values = parts.iter().filter(|part| !matches!(part.expr, Expr::Literal(_))).filter_map(|part| {
            let value = context.resolve(part).map_or_else(|e| text::one_line(&e.to_string(), SHOWN), |v| shown(&v));
            Some(format!("{} is {value}", self.text(part)?))
        });
        let values: Vec<String> = values.take(MANY).collect();
        let what = self.text(e).unwrap_or_else(|| "a part of it".into());
        told.push(match values.is_empty() {
            true => format!("{what} is not true"),
            false => format!("{what} is not true: {}", values.join(", ")),
        });
    }

    /// The first element for which the predicate of an `all` does not hold, and the predicate.
    fn counterexample<'e>(
        &self,
        all: &'e ComprehensionExpr,
        context: &Context<'_, '_>,
    ) -> Option<(Vec<(&'e str, Cel)>, &'e IdedExpr)> {
        let Expr::Call(step) = &all.loop_step.expr else { return None };
        let [_, predicate] = step.args.as_slice() else { return None };
        if step.func_name != operators::LOGICAL_AND || all.iter_var2.is_some() {
            return None;
        }
        let elements: Vec<Cel> = match context.resolve(&all.iter_range).ok()? {
            Cel::List(list) => list.iter().cloned().collect(),
            Cel::Map(map) => map.map.keys().map(|key| Cel::from(key.to_string())).collect(),
            _ => return None,
        };
        let fails = elements.into_iter().find(|element| {
            let mut scope = context.new_inner_scope();
            scope.add_variable_from_value(all.iter_var.as_str(), element.clone());
            scope.resolve(predicate) != Ok(Cel::Bool(true))
        })?;
        Some((vec![(all.iter_var.as_str(), fails)], predicate))
    }

    /// How a sub-expression is written.
    fn text(&self, e: &IdedExpr) -> Option<String> {
        let (mut from, mut to) = (u32::MAX, 0);
        self.extent(e, &mut from, &mut to);
        let mut part = self.source.get(from as usize..=(to as usize))?.to_vec();
        // What closes after its last token belongs to it.
        for (open, close) in [('(', ')'), ('[', ']'), ('{', '}')] {
            let count = |c: char| part.iter().filter(|p| **p == c).count();
            let missing = count(open).saturating_sub(count(close));
            part.extend(std::iter::repeat_n(close, missing));
        }
        Some(text::one_line(&part.into_iter().collect::<String>(), SHOWN))
    }

    fn extent(&self, e: &IdedExpr, from: &mut u32, to: &mut u32) {
        if let Some((start, stop)) = self.info.offset_for(e.id) {
            // Of a field the place of its dot is known.
            let name = if let Expr::Select(select) = &e.expr { select.field.chars().count() } else { 0 };
            (*from, *to) = ((*from).min(start), (*to).max(stop + name as u32));
        }
        let mut visit = |e: &IdedExpr| self.extent(e, from, to);
        match &e.expr {
            Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).for_each(&mut visit),
            Expr::Select(select) => visit(&select.operand),
            Expr::List(list) => list.elements.iter().for_each(&mut visit),
            Expr::Comprehension(all) => [&all.iter_range, &all.loop_step, &all.result].into_iter().for_each(&mut visit),
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        visit(&entry.key);
                        visit(&entry.value);
                    }
                }
            }
            _ => {}
        }
    }
}

/// JSON as the values that expressions see: whole numbers are integers.
fn converted(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(b) => Cel::Bool(*b),
        Value::Number(n) => n.as_i64().map_or_else(|| Cel::Float(n.as_f64().unwrap_or(f64::NAN)), Cel::Int),
        Value::String(s) => Cel::from(s.as_str()),
        Value::Array(all) => Cel::from(all.iter().map(converted).collect::<Vec<Cel>>()),
        Value::Object(map) => {
            Cel::from(map.iter().map(|(key, value)| (key.clone(), converted(value))).collect::<HashMap<String, Cel>>())
        }
    }
}

/// A value on one line, cut to what a person reads.
fn shown(value: &Cel) -> String {
    let text = value.json().map_or_else(|_| format!("a {}", value.type_of()), |json| sorted(json).to_string());
    let short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

/// The order of keys in a map of CEL is nobody's: the same value is shown the same way.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(all) => Value::Array(all.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn facts() -> Map<String, Value> {
        let facts = json!({
            "files": {"a.py": {"size": 12, "text": "import os\n"}, "b.txt": {"size": 3, "text": "abc"}},
            "http": {"list": {"status": 200, "json": {"notes": [{"id": 1, "text": "milk"}, {"id": 2, "text": ""}]}}},
        });
        facts.as_object().unwrap().clone()
    }

    fn fails(expression: &str) -> String {
        match judge(expression, &facts()) {
            Answer::Fails { told } => told.join(" | "),
            other => panic!("{expression}: {other:?}"),
        }
    }

    #[test]
    fn only_true_holds() {
        for expression in [
            "true",
            "files['a.py'].size == 12",
            "'a.py' in files && files['a.py'].text.contains('import os')",
            "files.all(name, files[name].size < 100)",
            "http.list.status == 200 && http.list.json.notes.size() == 2",
            "http['list'].json.notes.exists(n, n.text == 'milk')",
            "files['b.txt'].text.matches('^a.c$')",
            "files.filter(f, f.endsWith('.py')).size() == 1",
            "http.list.json.notes.map(n, n.id) == [1, 2]",
        ] {
            assert_eq!(judge(expression, &facts()), Answer::Holds, "{expression}");
        }
    }

    #[test]
    fn what_fails_is_shown_with_its_values() {
        assert_eq!(fails("files['a.py'].size == 13"), "files['a.py'].size == 13 is not true: files['a.py'].size is 12");
        assert_eq!(
            fails("http.list.status == 200 && files['b.txt'].text.contains('x')"),
            "files['b.txt'].text.contains('x') is not true: files['b.txt'].text is \"abc\""
        );
        assert_eq!(
            fails("http.list.json.notes.all(n, n.text != '')"),
            "for n = {\"id\":2,\"text\":\"\"}: | n.text != '' is not true: n.text is \"\""
        );
        assert_eq!(
            fails("1 > 2 || 'c' in files"),
            "1 > 2 is not true | 'c' in files is not true: files is {\"a.py\":{\"size\":12,\"text\":\"import os\\n\"},\"b.txt\":{\"size\":3,\"text\":\"abc\"}}"
        );
        assert_eq!(fails("!('a.py' in files)").split(':').next(), Some("!('a.py' in files) is not true"));
        assert_eq!(fails("false"), "false is not true");
    }

    #[test]
    fn what_cannot_be_evaluated_is_unknown() {
        for (expression, said) in [
            ("files['c'].size > 1", "No such key: c"),
            ("nothing == 1", "Undeclared reference"),
            ("files.size()", "neither true nor false"),
            ("'a'", "\"a\", and neither"),
            ("1 / 0 == 1", "Division by zero"),
            ("1 +", "no expression of CEL"),
            ("", "no expression of CEL"),
            ("frobnicate(1)", "frobnicate"),
            (&"a".repeat(MAX_SOURCE + 1), "more than the 2048"),
        ] {
            match judge(expression, &facts()) {
                Answer::Unknown { why } => assert!(why.contains(said), "{expression}: {why}"),
                other => panic!("{expression}: {other:?}"),
            }
        }
        assert!(fault("1 +").is_some() && fault("anything > 1").is_none());
    }
}
