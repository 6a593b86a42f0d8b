//! A query in the canonical layout, with its comments.
//!
//! The printer works from the tree, which has no comments. They are put back afterwards: the words of both texts are matched,
//! and a comment goes with the word it stood in front of (on lines of its own) or behind (at the end of a line).

use crate::diagnostic::Diagnostic;
use crate::syntax::token::{Token, TokenKind};
use crate::syntax::{PieceKind, parse, pieces, print, tokens};

/// Words beyond which texts are matched by counting instead of by comparing.
const COMPARED: usize = 3000;

/// A comment and the word that it belongs to, by number.
struct Comment<'t> {
    text: &'t str,
    /// The word behind it; of a comment at the end of a line, the one in front
    word: usize,
    /// It ends a line that has words
    trailing: bool,
}

/// Lays out a query. What is formatted once does not change again.
///
/// # Errors
/// What is wrong with a text that is no query.
pub fn format(text: &str) -> Result<String, Vec<Diagnostic>> {
    let (query, problems) = parse(text);
    if !problems.is_empty() {
        return Err(problems);
    }
    let printed = print(&query);
    if printed.trim().is_empty() {
        // Only semicolons.
        return Ok(text.to_owned());
    }
    let old = words(text);
    let comments = comments(text);
    if comments.is_empty() {
        return Ok(printed);
    }
    let new = words(&printed);
    let places = matched(text, &old, &printed, &new);
    Ok(put_back(&printed, &new, &comments, &places))
}

fn words(text: &str) -> Vec<Token> {
    let mut words = tokens(text);
    words.retain(|token| token.kind != TokenKind::End);
    words
}

fn comments(text: &str) -> Vec<Comment<'_>> {
    let mut found = Vec::new();
    let mut word = 0;
    let mut line_has_words = false;
    for piece in pieces(text) {
        let said = text.get(piece.span.start..piece.span.end).unwrap_or_default();
        match piece.kind {
            PieceKind::Token(_) => {
                word += 1;
                line_has_words = true;
            }
            PieceKind::Space => line_has_words &= !said.contains('\n'),
            PieceKind::Comment => found.push(Comment {
                text: said.trim_end(),
                word: if line_has_words { word - 1 } else { word },
                trailing: line_has_words,
            }),
        }
    }
    found
}

/// For each word of the old text, the number of the word in the new one that it became.
fn matched(text: &str, old: &[Token], printed: &str, new: &[Token]) -> Vec<usize> {
    let of = |text: &'_ str, token: &Token| text.get(token.span.start..token.span.end).unwrap_or_default().to_owned();
    let before: Vec<String> = old.iter().map(|token| of(text, token)).collect();
    let after: Vec<String> = new.iter().map(|token| of(printed, token)).collect();
    if before.len().max(after.len()) > COMPARED {
        let scaled = |index: usize| index * after.len() / before.len().max(1);
        return (0..before.len()).map(scaled).collect();
    }
    // The longest common subsequence; what is not in it goes with the next word that is.
    let width = after.len() + 1;
    let mut length = vec![0_u16; (before.len() + 1) * width];
    let at = |i: usize, j: usize| i * width + j;
    let get = |table: &[u16], i: usize, j: usize| table.get(at(i, j)).copied().unwrap_or_default();
    for (i, word) in before.iter().enumerate().rev() {
        for (j, other) in after.iter().enumerate().rev() {
            let best = if word == other {
                get(&length, i + 1, j + 1) + 1
            } else {
                get(&length, i + 1, j).max(get(&length, i, j + 1))
            };
            if let Some(cell) = length.get_mut(at(i, j)) {
                *cell = best;
            }
        }
    }
    let mut places = Vec::with_capacity(before.len());
    let mut j = 0;
    for (i, word) in before.iter().enumerate() {
        while j < after.len()
            && after.get(j) != Some(word)
            && get(&length, i, j + 1) == get(&length, i, j)
            && get(&length, i + 1, j) < get(&length, i, j)
        {
            j += 1;
        }
        places.push(j);
        if after.get(j) == Some(word) && get(&length, i, j) == get(&length, i + 1, j + 1) + 1 {
            j += 1;
        }
    }
    places
}

fn put_back(printed: &str, words: &[Token], comments: &[Comment<'_>], places: &[usize]) -> String {
    // Starts of lines, of those that do not begin inside a word (a string over several lines).
    let inside = |at: usize| words.iter().any(|word| word.span.start < at && at < word.span.end);
    let starts: Vec<usize> = std::iter::once(0)
        .chain(printed.match_indices('\n').map(|(at, _)| at + 1))
        .filter(|at| *at < printed.len() && !inside(*at))
        .collect();
    let line_of = |at: usize| starts.partition_point(|start| *start <= at).saturating_sub(1);
    let mut above: Vec<Vec<&str>> = vec![Vec::new(); starts.len() + 1];
    let mut behind: Vec<Option<&str>> = vec![None; starts.len() + 1];
    for comment in comments {
        let place = places.get(comment.word).copied().unwrap_or(words.len());
        let Some(word) = words.get(place) else {
            if let Some(last) = above.last_mut() {
                last.push(comment.text);
            }
            continue;
        };
        let line = line_of(word.span.start);
        let end_of_line = words.get(place + 1).is_none_or(|next| line_of(next.span.start) > line);
        match (behind.get_mut(line), above.get_mut(line)) {
            (Some(slot @ None), _) if comment.trailing && end_of_line => *slot = Some(comment.text),
            (_, Some(lines)) => lines.push(comment.text),
            _ => {}
        }
    }
    let mut out = String::with_capacity(printed.len() + comments.iter().map(|comment| comment.text.len() + 8).sum::<usize>());
    for (line, start) in starts.iter().enumerate() {
        let end = starts.get(line + 1).copied().unwrap_or(printed.len());
        let body = printed.get(*start..end).unwrap_or_default();
        let indent = body.len() - body.trim_start_matches(' ').len();
        for comment in above.get(line).into_iter().flatten() {
            out.push_str(&" ".repeat(indent));
            out.push_str(comment);
            out.push('\n');
        }
        out.push_str(body.trim_end_matches('\n'));
        if let Some(Some(comment)) = behind.get(line) {
            out.push_str("  ");
            out.push_str(comment);
        }
        out.push('\n');
    }
    for comment in above.last().into_iter().flatten() {
        out.push_str(comment);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::format;

    #[test]
    fn comments_stay_with_what_they_are_about() {
        let text =
            "// All of it.\nlet window = 1h; // an hour\nKubernetesAudit\n// only writes\n| where Verb in ('create', /*no*/ 'patch')";
        assert!(format(text).is_err(), "there are no comments in /* */");
        let text = "// All of it.\nlet window = 1h; // an hour\nKubernetesAudit | where Verb in ('create', // made\n 'patch')\n  // only few\n| take 5 // enough\n// the end";
        let formatted = format(text).unwrap();
        let expected = "// All of it.\nlet window = 1h;  // an hour\nKubernetesAudit\n// made\n| where Verb in (\"create\", \"patch\")\n// only few\n| take 5  // enough\n// the end\n";
        assert_eq!(formatted, expected);
        assert_eq!(format(&formatted).unwrap(), formatted);
    }
}
