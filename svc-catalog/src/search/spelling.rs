//! Which words somebody may have meant who typed another.

/// From how many characters on a word may have one typing error, and two.
const ONE_TYPO_FROM: usize = 4;
const TWO_TYPOS_FROM: usize = 8;

/// The most words that one is corrected to.
const MAX_CORRECTIONS: usize = 5;

/// How many typing errors a word of this length may have.
fn allowed(chars: usize) -> usize {
    match chars {
        TWO_TYPOS_FROM.. => 2,
        ONE_TYPO_FROM.. => 1,
        _ => 0,
    }
}

/// Whether a word is long enough to have a typing error.
pub(super) fn may_be_wrong(typed: &str) -> bool {
    allowed(typed.chars().count()) > 0
}

/// Of the candidates, those that are nearest to what was typed, best first. A
/// candidate may go on after what was typed: customers stop in mid-word.
pub(super) fn corrections(typed: &str, candidates: Vec<String>) -> Vec<String> {
    let typed: Vec<char> = typed.chars().collect();
    let allowed = allowed(typed.len());
    if allowed == 0 {
        return Vec::new();
    }
    let mut near: Vec<(usize, usize, String)> = candidates
        .into_iter()
        .filter_map(|candidate| {
            let chars: Vec<char> = candidate.chars().collect();
            let (whole, begun) = distances(&typed, &chars);
            (begun <= allowed).then_some((begun, whole, candidate))
        })
        .collect();
    near.sort();
    let Some(best) = near.first().map(|(begun, ..)| *begun) else {
        return Vec::new();
    };
    near.into_iter()
        .take_while(|(begun, ..)| *begun == best)
        .take(MAX_CORRECTIONS)
        .map(|(.., word)| word)
        .collect()
}

/// How many insertions, deletions, substitutions and swaps of neighbours lead
/// from `typed` to `word`, and to the best of its beginnings (optimal string
/// alignment distance).
fn distances(typed: &[char], word: &[char]) -> (usize, usize) {
    let width = word.len() + 1;
    let mut before: Vec<usize> = vec![0; width];
    let mut above: Vec<usize> = (0..width).collect();
    for (i, typed_char) in typed.iter().enumerate() {
        let mut row = vec![i + 1; width];
        for (j, word_char) in word.iter().enumerate() {
            let substituted = above[j] + usize::from(typed_char != word_char);
            row[j + 1] = substituted.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *typed_char == word[j - 1] && typed[i - 1] == *word_char {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    let whole = above[word.len()];
    (whole, above.into_iter().min().unwrap_or(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(typed: &str, candidates: &[&str]) -> Vec<String> {
        corrections(typed, candidates.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_typing_error_is_undone() {
        assert_eq!(of("bakpack", &["pack", "backpack", "bag"]), ["backpack"]);
        assert_eq!(of("iphne", &["iphone", "phone"]), ["iphone"]);
        assert_eq!(of("jaket", &["jacket", "basket"]), ["jacket"]);
        assert_eq!(of("sheos", &["shoes", "shows"]), ["shoes"]);
    }

    #[test]
    fn the_nearest_word_wins() {
        assert_eq!(
            of("leathr", &["leather", "heather", "weather"]),
            ["leather"]
        );
    }

    #[test]
    fn a_word_may_stop_half_way() {
        assert_eq!(of("expedtio", &["expedition"]), ["expedition"]);
    }

    #[test]
    fn short_words_are_taken_as_they_are() {
        assert!(of("cot", &["cat", "coat"]).is_empty());
        assert!(of("qqqq", &["tent"]).is_empty());
    }

    #[test]
    fn a_long_word_may_have_two_errors() {
        assert_eq!(of("expidtion", &["expedition"]), ["expedition"]);
        assert!(of("expdtn", &["expedition"]).is_empty());
    }
}
