//! Getting a value out of an agent: it is asked, what it answers is read, and what is wrong with it goes back in the same
//! conversation, a bounded number of times.

use std::path::PathBuf;

use serde_json::Value;

use super::{
    Agent, Answer, Bounds, Call, Event, Outcome, Recorded, Role, Session, Work,
    prompt::{Again, Prompts},
};
use crate::base::{Cost, Failure, World, json};

/// What is asked.
pub struct Question<'a> {
    /// What for.
    pub role: Role,
    /// Which call of its role the first one is, from 1.
    pub nth: u32,
    /// What it is told.
    pub prompt: &'a str,
    /// The JSON Schema of the answer.
    pub schema: &'a Value,
    /// The tag that an answer may stand in, where it is a text.
    pub tag: &'a str,
    /// Where it looks around.
    pub dir: &'a std::path::Path,
    /// A folder beside that.
    pub scratch: &'a std::path::Path,
    /// The folder for conversations that this program keeps itself.
    pub sessions: &'a std::path::Path,
    /// The file for what each call printed, by its number from 1.
    pub transcript: &'a (dyn Fn(u32) -> PathBuf + Send + Sync),
    /// What all calls together may cost, and each may take.
    pub bounds: Bounds,
    /// How often it may try again.
    pub repairs: u32,
}

/// What is told of the calls while they are made.
pub enum Told<'a> {
    /// One begins.
    Begins(&'a Session),
    /// It has ended.
    Ended(&'a Outcome, &'a Recorded),
    /// What the agent does.
    Event(Event),
}

/// Who is told; an error ends the asking.
pub type Listener<'a> = dyn Fn(Told<'_>) -> Result<(), Failure> + Send + Sync + 'a;

/// What came of asking.
pub struct Reply<T> {
    /// The value, or why there is none.
    pub result: Result<T, NoAnswer>,
    /// What all calls cost.
    pub cost: Cost,
}

/// Why there is no value.
#[derive(Debug)]
pub enum NoAnswer {
    /// The agent failed.
    Failed(Box<Outcome>),
    /// Its last answer was not valid: everything that is wrong with it.
    Invalid {
        /// What is wrong, each with its place.
        errors: Vec<String>,
        /// What the last call printed.
        transcript: Option<PathBuf>,
    },
}

/// Asks until the answer can be read.
pub async fn ask<T>(
    world: &World,
    agent: &Agent,
    prompts: &Prompts,
    question: &Question<'_>,
    listener: &Listener<'_>,
    read: &(dyn Fn(Value) -> Result<T, Vec<String>> + Send + Sync),
) -> Result<Reply<T>, Failure> {
    let mut cost = Cost::default();
    let mut session = begin(world, agent)?;
    let mut prompt = question.prompt.to_owned();
    let mut n = 0;
    loop {
        n += 1;
        listener(Told::Begins(&session))?;
        let left = question.bounds.usd_micros.map(|all| all.saturating_sub(cost.usd_micros));
        let call = Call {
            role: question.role,
            nth: question.nth + n - 1,
            prompt: &prompt,
            work: Work::Answer(question.schema),
            dir: question.dir,
            scratch: question.scratch,
            may_write: &|_| Err("nothing is to be changed".into()),
            sessions: question.sessions,
            session: session.clone(),
            bounds: Bounds { usd_micros: left, ..question.bounds },
            transcript: &(question.transcript)(n),
            // What cannot be told of an event is told of the call's end.
            notice: &|event| drop(listener(Told::Event(event))),
        };
        let outcome = super::run(world, agent, &call).await;
        cost += outcome.cost;
        let recorded = Recorded::new(&call, agent.recorded_as(call.role, None, call.nth), &outcome);
        listener(Told::Ended(&outcome, &recorded))?;
        if session.begun && !outcome.ok && outcome.session.is_none() && n <= question.repairs {
            // The conversation is gone, and nothing was said: another one begins, with everything that was told so far.
            prompt = format!("{}\n{prompt}", question.prompt);
            session = begin(world, agent)?;
            continue;
        }
        if !outcome.ok {
            return Ok(Reply { result: Err(NoAnswer::Failed(Box::new(outcome))), cost });
        }
        let (errors, said) = match &outcome.answer {
            None => (vec!["there is no answer".to_owned()], None),
            Some(answer) => match answer.value(question.tag).map_err(|e| vec![e]).and_then(read) {
                Ok(value) => return Ok(Reply { result: Ok(value), cost }),
                Err(errors) => (errors, Some(answer)),
            },
        };
        if n > question.repairs || left.is_some_and(|left| left <= outcome.cost.usd_micros) {
            let transcript = outcome.transcript;
            return Ok(Reply { result: Err(NoAnswer::Invalid { errors, transcript }), cost });
        }
        // Whoever has no conversation to go on with is told everything again.
        let forgetful = outcome.session.is_none();
        let said = said.filter(|_| forgetful).map(Answer::to_string);
        let again = prompts.again(&Again { errors: &errors, answer: said.as_deref(), tag: question.tag })?;
        prompt = if forgetful { format!("{}\n{again}", question.prompt) } else { again };
        session = Session { id: outcome.session, begun: true, spent: cost };
    }
}

fn begin(world: &World, agent: &Agent) -> Result<Session, Failure> {
    Ok(Session { id: super::new_session(world, &agent.provider)?, ..Session::default() })
}

impl Answer {
    /// The value: what the last pair of tags holds, else the whole text, else its only fenced block, else its only object.
    pub fn value(&self, tag: &str) -> Result<Value, String> {
        let text = match self {
            Answer::Text(text) | Answer::Value(Value::String(text)) => text,
            Answer::Value(value) => return Ok(value.clone()),
        };
        let parse = |text: &str| json::parse(text.trim().as_bytes(), json::Limits::RECORD);
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        if let Some((before, _)) = text.rsplit_once(&close)
            && let Some((_, inside)) = before.rsplit_once(&open)
        {
            return parse(unfenced(inside)).map_err(|e| format!("what stands in {open} is no JSON: {e}"));
        }
        if let Ok(value) = parse(text) {
            return Ok(value);
        }
        let blocks: Vec<Value> = fenced(text).iter().filter_map(|b| parse(b).ok()).filter(Value::is_object).collect();
        let bare = || text.find('{').zip(text.rfind('}')).and_then(|(a, b)| parse(text.get(a..=b)?).ok());
        match <[Value; 1]>::try_from(blocks) {
            Ok([only]) => Ok(only),
            Err(blocks) if blocks.is_empty() => {
                bare().ok_or_else(|| format!("there is no JSON object in the answer, bare or in {open}"))
            }
            Err(blocks) => Err(format!(
                "there are {} JSON objects in the answer: put the one that is meant in {open}",
                blocks.len()
            )),
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Answer::Text(text) | Answer::Value(Value::String(text)) => f.write_str(text),
            Answer::Value(value) => write!(f, "{value}"),
        }
    }
}

/// What stands in a text's fenced blocks.
fn fenced(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
            if inside {
                out.push(String::new());
            }
        } else if let Some(block) = out.last_mut().filter(|_| inside) {
            block.push_str(line);
            block.push('\n');
        }
    }
    out
}

/// A text without the fence around all of it.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let Some(rest) = text.strip_prefix("```").and_then(|t| t.strip_suffix("```")) else { return text };
    rest.split_once('\n').map_or(rest, |(_, body)| body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<Value, String> {
        Answer::Text(text.into()).value("spec_json")
    }

    #[test]
    fn the_value_is_found_where_it_is_meant() {
        let one = serde_json::json!({"a": 1});
        for text in [
            "{\"a\":1}",
            " {\"a\":1}\n",
            "Here it is: {\"a\":1} as asked.",
            "I looked.\n\n```json\n{\"a\":1}\n```\nDone.",
            "```sh\nls\n```\n```json\n{\"a\":1}\n```",
            "<spec_json>{\"a\":2}</spec_json> no: <spec_json>\n{\"a\":1}\n</spec_json>",
            "<spec_json>\n```json\n{\"a\":1}\n```\n</spec_json> {\"b\":1}",
            "The tag <spec_json> is used so: <spec_json>{\"a\":1}</spec_json>",
        ] {
            assert_eq!(value(text).as_ref(), Ok(&one), "{text}");
        }
    }

    #[test]
    fn what_is_not_clear_is_no_value() {
        for (text, why) in [
            ("I cannot do that.", "no JSON object"),
            ("", "no JSON object"),
            ("```\n{\"a\":1}\n```\n```\n{\"b\":1}\n```", "2 JSON objects"),
            ("<spec_json>{\"a\":1</spec_json>", "is no JSON"),
            ("<spec_json>{\"a\":1,\"a\":2}</spec_json>", "stands twice"),
            ("{\"a\":1} or {\"b\":1}", "no JSON object"),
        ] {
            let e = value(text).unwrap_err();
            assert!(e.contains(why), "{text}: {e}");
        }
    }
}
