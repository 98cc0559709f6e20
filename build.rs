//! Packs the manual and the schemas, and links the program statically, position independent as
//! before, where the C library is there as an archive.
//!
//! Most of the time that a command takes goes into starting, and a fifth of that into the dynamic
//! linker: to find, map and relocate the C library. Rust has `-C target-feature=+crt-static` for
//! this, but a package cannot ask for it, and with it the program does not build where the archives
//! are missing. So the linker is told to make a static program, and is led to the archives by
//! scripts that have the names of the libraries which rustc asks for. Where anything is not as
//! expected nothing changes.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use flate2::{Compression, write::ZlibEncoder};

/// What rustc links a program with, and the archives that stand for it. The first three need each
/// other; the others are part of the C library by now, or are there for old ones.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("gcc_s", &["gcc_eh", "gcc", "c"]),
    ("gcc", &["gcc_eh", "gcc", "c"]),
    ("c", &["c", "gcc_eh", "gcc"]),
    ("m", &["m"]),
    ("rt", &["rt"]),
    ("pthread", &["pthread"]),
    ("util", &["util"]),
    ("dl", &["dl"]),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for dir in ["man", "schema"] {
        if let Err(error) = pack(dir) {
            println!("cargo::error=cannot pack {dir}: {error}");
        }
    }
    let target = |key: &str| env::var(key).unwrap_or_default();
    let here = target("TARGET") == target("HOST");
    if !here || target("CARGO_CFG_TARGET_OS") != "linux" || target("CARGO_CFG_TARGET_ENV") != "gnu"
    {
        return;
    }
    let Some(out) = env::var_os("OUT_DIR") else { return };
    let place = Path::new(&out).join("archives");
    // What starts a static program that can be loaded anywhere.
    if file_of("rcrt1.o").is_some() && scripts(&place).is_some() {
        println!("cargo::rustc-link-arg-bins=-L{}", place.display());
        println!("cargo::rustc-link-arg-bins=-static-pie");
        // What is to be relocated at each start is written down in a fiftieth of the room; the C
        // library must know of that. A linker that does not says so, and goes on.
        if c_library().is_some_and(|version| version >= (2, 36)) {
            println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        }
    }
}

/// Packs the files of `dir`, each into one of its name below the output directory.
fn pack(dir: &str) -> std::io::Result<()> {
    println!("cargo::rerun-if-changed={dir}");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join(dir);
    fs::create_dir_all(&out)?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let packed = fs::File::create(out.join(entry.file_name()))?;
        let mut packed = ZlibEncoder::new(packed, Compression::best());
        packed.write_all(&fs::read(entry.path())?)?;
        packed.finish()?;
    }
    Ok(())
}

/// The version of the C library whose headers `cc` has.
fn c_library() -> Option<(u32, u32)> {
    let ask = "#include <features.h>\nversion __GLIBC__ __GLIBC_MINOR__\n";
    let mut cc = Command::new("cc");
    cc.args(["-E", "-P", "-x", "c", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut cc = cc.spawn().ok()?;
    cc.stdin.take()?.write_all(ask.as_bytes()).ok()?;
    let output = cc.wait_with_output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut words = said.lines().find_map(|line| line.strip_prefix("version "))?.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// Writes the linker scripts; `None` if that cannot be, or an archive is missing.
fn scripts(place: &Path) -> Option<()> {
    fs::create_dir_all(place).ok()?;
    for (library, archives) in LIBRARIES {
        let paths: Option<Vec<String>> = archives
            .iter()
            .map(|name| Some(format!("\"{}\"", file_of(&format!("lib{name}.a"))?.display())))
            .collect();
        let script = format!("GROUP({})\n", paths?.join(" "));
        fs::write(place.join(format!("lib{library}.so")), script).ok()?;
    }
    Some(())
}

/// Where `cc`, which rustc links with, has a file: else it repeats the bare name.
fn file_of(name: &str) -> Option<PathBuf> {
    let asked = Command::new("cc").arg(format!("-print-file-name={name}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim_end());
    (asked.status.success() && path.is_absolute() && path.is_file()).then_some(path)
}
