//! The prompt: history, editing over several lines, completion. An empty line or a `;` at the end runs what was typed.

use std::borrow::Cow;
use std::sync::Arc;

use reedline::{
    ColumnarMenu, Completer, CompletionResult, DefaultHinter, Emacs, FileBackedHistory, KeyCode, KeyModifiers, MenuBuilder, Prompt,
    PromptEditMode, PromptHistorySearch, PromptHistorySearchStatus, Reedline, ReedlineEvent, ReedlineMenu, Signal, Span, Suggestion,
    ValidationResult, Validator, default_emacs_keybindings,
};

use crate::DONE;
use crate::args::QueryFormat;
use crate::output;
use crate::query::Target;

/// Lines of history kept.
const HISTORY: usize = 1_000;

struct KqlPrompt;

impl Prompt for KqlPrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        "kql".into()
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        "".into()
    }

    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        "> ".into()
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        "  | ".into()
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        let failing = if matches!(search.status, PromptHistorySearchStatus::Failing) {
            "failing "
        } else {
            ""
        };
        format!("({failing}search: {}) ", search.term).into()
    }
}

/// A query goes on while it ends in a pipe, has an open bracket, or its last line is not empty and has no `;`.
struct Ends;

impl Validator for Ends {
    fn validate(&self, line: &str) -> ValidationResult {
        if complete(line) {
            ValidationResult::Complete
        } else {
            ValidationResult::Incomplete
        }
    }
}

fn complete(text: &str) -> bool {
    let trimmed = text.trim_end();
    if trimmed.is_empty() || trimmed.starts_with('.') || matches!(trimmed, "exit" | "quit" | "help") {
        return true;
    }
    if trimmed.ends_with(';') || text.ends_with("\n\n") || (text.contains('\n') && text.ends_with('\n')) {
        return true;
    }
    if trimmed.ends_with('|') {
        return false;
    }
    let open = trimmed.chars().filter(|c| matches!(c, '(' | '[' | '{')).count();
    let closed = trimmed.chars().filter(|c| matches!(c, ')' | ']' | '}')).count();
    // One line is a whole query; a second one was begun with a line break on purpose.
    open <= closed && !trimmed.contains('\n')
}

struct Completions(Arc<Target>);

impl Completer for Completions {
    fn complete(&mut self, line: &str, position: usize) -> CompletionResult {
        let start = line[..position]
            .rfind(|c: char| !(c.is_alphanumeric() || c == '_'))
            .map_or(0, |index| index + line[index..].chars().next().map_or(1, char::len_utf8));
        let typed = line[start..position].to_lowercase();
        let suggestions: Vec<Suggestion> = self
            .0
            .complete(line, position)
            .into_iter()
            .filter(|(text, _)| text.to_lowercase().starts_with(&typed))
            .map(|(value, detail)| Suggestion {
                value,
                description: (!detail.is_empty()).then_some(detail),
                span: Span::new(start, position),
                ..Suggestion::default()
            })
            .collect();
        CompletionResult::fresh(suggestions)
    }
}

/// Reads and answers queries until the end of input.
pub async fn run(target: Target, format: QueryFormat) -> anyhow::Result<u8> {
    let target = Arc::new(target);
    let mut keys = default_emacs_keybindings();
    keys.add_binding(
        KeyModifiers::NONE,
        KeyCode::Tab,
        ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu("completion".to_owned()), ReedlineEvent::MenuNext]),
    );
    keys.add_binding(
        KeyModifiers::ALT,
        KeyCode::Enter,
        ReedlineEvent::Edit(vec![reedline::EditCommand::InsertNewline]),
    );
    let mut editor = Reedline::create()
        .with_validator(Box::new(Ends))
        .with_completer(Box::new(Completions(Arc::clone(&target))))
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(
            ColumnarMenu::default().with_name("completion"),
        )))
        .with_hinter(Box::new(DefaultHinter::default()))
        .with_edit_mode(Box::new(Emacs::new(keys)));
    if let Some(path) = history_file()
        && let Ok(history) = FileBackedHistory::with_file(HISTORY, path)
    {
        editor = editor.with_history(Box::new(history));
    }
    anstream::println!("KQL. Tab completes, Alt+Enter begins a line, an empty line or ; runs, Ctrl+D ends.");
    loop {
        let (returned, signal) = {
            let mut editor = editor;
            tokio::task::spawn_blocking(move || {
                let signal = editor.read_line(&KqlPrompt);
                (editor, signal)
            })
            .await?
        };
        editor = returned;
        match signal? {
            Signal::Success(text) => {
                let text = text.trim().trim_end_matches(';').trim().to_owned();
                match text.as_str() {
                    "" => {}
                    "exit" | "quit" | ".exit" | ".quit" => return Ok(DONE),
                    "help" | ".help" => {
                        anstream::println!("Type a query, for example: KubernetesAudit | summarize count() by Verb\nexit ends.")
                    }
                    query => match target.ask(query).await {
                        Ok(answer) => output::print(&answer, format, &mut std::io::stdout().lock())?,
                        Err(failure) => anstream::eprintln!("{}", failure.detail.trim_end()),
                    },
                }
            }
            Signal::CtrlC => {}
            _ => return Ok(DONE),
        }
    }
}

fn history_file() -> Option<std::path::PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(std::path::PathBuf::from);
    let folder = state
        .or_else(|| std::env::var_os("HOME").map(|home| std::path::Path::new(&home).join(".local/state")))?
        .join("taffrail");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history.txt"))
}

#[cfg(test)]
mod tests {
    use super::complete;

    #[test]
    fn a_query_ends_where_people_mean_it_to() {
        for whole in ["T | count", "T\n| count;", "T\n| count\n", "", "exit"] {
            assert!(complete(whole), "{whole:?}");
        }
        for open in ["T |", "print f(", "T\n| count"] {
            assert!(!complete(open), "{open:?}");
        }
    }
}
