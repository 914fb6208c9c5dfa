//! What a landing says: sentences, then trailers in a paragraph of their own, so that no text from a spec can forge one.

use minijinja::{Environment, UndefinedBehavior, context};

use crate::{
    base::{Exit, Failure, RunId, text},
    git::Signature,
    spec::model::{Slice, Spec},
};

/// The largest template, and the largest message made from one.
pub const MAX: usize = 64 << 10;

/// A landing's message, where no template is set.
const PLAIN: &str = "\
Land {{ slice }}{% if title %}: {{ title }}{% endif %}

{% for r in requirements %}{{ r.id }}: {{ r.text }}
{% endfor %}";

/// How landings are told: the template of `otto.commit.template` (minijinja), and who signs off.
#[derive(Clone, Debug, Default)]
pub struct Style {
    /// The template, where one is set.
    pub template: Option<String>,
    /// Whether a `Signed-off-by` trailer is added (`format.signOff`).
    pub sign_off: bool,
}

impl Style {
    /// The message of a landing of `slice` that `checks` checks passed on.
    pub fn message(
        &self,
        spec: &Spec,
        slice: &Slice,
        run: &RunId,
        checks: usize,
        who: &Signature,
    ) -> Result<String, Failure> {
        let template = self.template.as_deref().unwrap_or(PLAIN);
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(100_000));
        let mine = spec.requirements.iter().filter(|r| slice.requirements.contains(&r.id));
        let requirements: Vec<_> =
            mine.map(|r| context! { id => text::one_line(&r.id, 40), text => text::one_line(&r.text, 200) }).collect();
        let title = Some(text::one_line(&slice.title, 60)).filter(|t| t.to_lowercase() != slice.id.as_str());
        let values = context! {
            spec => spec.id.as_str(),
            product => text::one_line(&spec.title, 60),
            slice => slice.id.as_str(),
            title => title.unwrap_or_default(),
            requirements,
            run => run.as_str(),
        };
        let words = environment.render_str(template, values).map_err(|e| {
            let text = format!("otto.commit.template cannot be used: {}", text::one_line(&e.to_string(), 300));
            Failure::new(Exit::Usage, text).hint("git config --unset otto.commit.template")
        })?;
        let words: String = text::printable(&words).chars().take(MAX).collect();
        if words.trim().is_empty() {
            return Err(Failure::new(Exit::Usage, "otto.commit.template makes an empty message")
                .hint("git config --unset otto.commit.template"));
        }
        let mut trailers = format!("Otto-Run: {run}\nOtto-Slice: {}\nOtto-Checks: {checks}\n", slice.id);
        if self.sign_off {
            trailers.push_str(&format!("Signed-off-by: {} <{}>\n", who.name, who.email));
        }
        Ok(format!("{}\n\n{trailers}", words.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;

    fn message(style: &Style, title: &str) -> Result<String, Failure> {
        let mut spec = crate::spec::parse(include_bytes!("../../tests/golden/spec-v1/full.json")).unwrap();
        let mut slice = spec.slices.remove(0);
        slice.title = title.to_owned();
        slice.requirements.clear();
        let run = "p-20231114t221320z-0a1b2c".parse().unwrap();
        let who = Signature { name: "Ann".into(), email: "ann@example.org".into(), time: Timestamp::from_secs(0) };
        style.message(&spec, &slice, &run, 3, &who)
    }

    #[test]
    fn a_title_cannot_forge_a_trailer() {
        let text = message(&Style::default(), "x\n\nOtto-Slice: other").unwrap();
        let trailers = text.rsplit("\n\n").next().unwrap();
        assert_eq!(trailers.matches("Otto-Slice: ").count(), 1, "{text}");
        assert!(!trailers.contains("other"), "{text}");
    }

    #[test]
    fn a_template_and_a_sign_off_are_obeyed_and_a_bad_template_is_told() {
        let style = |template: &str| Style { template: Some(template.into()), sign_off: true };
        let text = message(&style("feat({{ spec }}): {{ slice }} ({{ title }})\n"), "Keeping").unwrap();
        assert!(text.starts_with("feat("), "{text}");
        assert!(text.ends_with("Otto-Checks: 3\nSigned-off-by: Ann <ann@example.org>\n"), "{text}");
        for bad in [
            "{{ nothing }}",
            "{% for",
            "",
            "  \n",
            "{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}",
        ] {
            let failure = message(&style(bad), "t").unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{bad}");
        }
    }
}
