//! Where an image of a product may lie: a path below `/media/`, or an absolute
//! address. What stands here is put into pages, so nothing in it may end an
//! attribute, leave the folder, or be run.

/// The folder that paths are below. An import's plain file names leave it out.
const MEDIA: &str = "/media/";
/// How an absolute address begins.
const SCHEMES: [&str; 2] = ["https://", "http://"];
/// What the names of files and folders may hold besides letters and digits.
const NAME_MARKS: &str = "-._~+@,=";
/// What an address must not hold, besides white space and control characters.
const UNSAFE_IN_ADDRESS: &str = "\"'`<>\\";

/// Whether an image may lie there.
pub(super) fn is_image(text: &str) -> bool {
    match SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme)) {
        Some(rest) => is_address(rest),
        None => is_path(text.strip_prefix(MEDIA).unwrap_or(text)),
    }
}

/// An address, without its scheme: it has a host, and nothing unsafe.
fn is_address(rest: &str) -> bool {
    rest.starts_with(|first: char| first.is_alphanumeric() || first == '[')
        && !rest.contains(|c: char| {
            c.is_whitespace() || c.is_control() || UNSAFE_IN_ADDRESS.contains(c)
        })
}

/// A file's name, perhaps in folders. It never begins at the root.
fn is_path(path: &str) -> bool {
    path.split('/').all(|name| {
        !matches!(name, "" | "." | "..")
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || NAME_MARKS.contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_paths_and_addresses_are_images() {
        for image in [
            "abc.jpg",
            "6d5b-aa_1.JPG",
            "products/tent.webp",
            "/media/tent.webp",
            "/media/2024/größe..xl.webp",
            "https://cdn.example.com/a/b.jpg?w=100&h=50#x",
            "http://127.0.0.1:8080/a%20b.jpg",
            "https://[::1]/a.jpg",
        ] {
            assert!(is_image(image), "{image}");
        }
    }

    #[test]
    fn what_could_run_break_out_or_leave_the_folder_is_none() {
        for image in [
            "",
            " ",
            ".",
            "..",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:image/png;base64,AAAA",
            "file:///etc/passwd",
            "ftp://example.com/a.jpg",
            "//example.com/a.jpg",
            "/etc/passwd",
            "/media",
            "/media/",
            "/media//a.jpg",
            "/media/../../etc/passwd",
            "/media/./a.jpg",
            "a/../b.jpg",
            "..\\a.jpg",
            "%2e%2e/a.jpg",
            "/media/a\"><script>",
            "a b.jpg",
            "a\n.jpg",
            "a\0.jpg",
            "https://",
            "https:///a.jpg",
            "http://?a",
            "https://example.com/a b.jpg",
            "https://example.com/a\u{a0}b.jpg",
            "https://example.com/\"onerror=",
            "https://example.com/'a",
            "https://example.com/<b>",
            "https://example.com/\u{7f}",
        ] {
            assert!(!is_image(image), "{image:?}");
        }
    }
}
