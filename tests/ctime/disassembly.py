"""What the compiler made of ecka.c: the shipped object's code, held to what constant time allows.

    disassembly.py libeckaifma.a

The sanitizer's test follows secrets through clang's code; this one reads the code that ships. In
each function: no more conditional branches than it has loops and cases over public numbers, each
with its reason; none on a mask register, on a vector comparison or on a number that came out of
one; no address made from such a number; no division, gather or scatter; calls to known functions
alone. It first proves on a bad specimen of each kind that it would see one.
"""
import collections
import re
import subprocess
import sys

MEMBER = "ecka.c.o"

# Conditional branches at most, and what they are; a compiler may make fewer.
LOOPS = "loops over windows, doublings and vectors"
BRANCHES = {
    "burn_stack": (3, "touching the pages of a large frame; the stack's guard"),
    "scalars_load": (2, "the stack's guard"),
    "base_sums_p256": (8, LOOPS), "base_sums_any": (8, LOOPS),
    "peer_sums_p256": (18, LOOPS + ", in pairs and alone"),
    "peer_sums_any": (18, LOOPS + ", in pairs and alone"),
    "mend_sign": (2, "the stack's guard"),
    "finish_p256": (26, "loops over vectors and over the exponent p - 2, which is public"),
    "finish_any": (26, "loops over vectors and over the exponent p - 2, which is public"),
    "verdicts": (24, "which items are refused: declassified"),
    "lanes_out": (10, "how many items the last vector has"),
    "peers_load": (20, "public points"),
    "peer_tables_p256": (20, "public points"), "peer_tables_any": (20, "public points"),
    "mul_base": (40, "loops over items, the curve, the items' statuses: declassified"),
    "agree": (30, "loops over items, the curve"),
    "forget": (0, ""), "wipe": (0, ""),
    "ifma_mul_base": (40, "the same: mul_base stands in it"),
    "ifma_ecka": (30, "the same: agree stands in it"),
    "ecka_scratch_new": (2, "no memory"), "ecka_scratch_free": (2, ""),
}
# Nothing secret is in them: their vector code may do as it likes.
PUBLIC = {"peers_load", "peer_tables_p256", "peer_tables_any", "ecka_scratch_new",
          "ecka_scratch_free"}
# The pointers to which lanes are written are computed in vectors, too.
POINTERS_IN_VECTORS = {"lanes_out", "ifma_mul_base", "ifma_ecka", "mul_base", "agree"}
# wipe() is memset through a pointer.
INDIRECT_CALLS = {"burn_stack": 1, "ifma_mul_base": 1, "ifma_ecka": 1, "forget": 1}
CALLS = {"memcpy", "memset", "memmove", "__stack_chk_fail", "aligned_alloc", "free",
         "modinv64_vartime"} | set(BRANCHES)
CALLER = {"aligned_alloc": {"ecka_scratch_new"}, "free": {"ecka_scratch_free"},
          "modinv64_vartime": {"peer_tables_p256", "peer_tables_any"}}

FORBIDDEN = re.compile(r"v?(p?gather|p?scatter)|i?div|v?(div|sqrt)[ps][sdh]|p(dep|ext)$|loop|j[er]?cxz"
                       r"|v?p?compress|v?p?expand")
FLAGS_FROM_VECTORS = re.compile(r"kortest|ktest|v?ptest$|vtestp|v?u?comis")
SETS_FLAGS = re.compile(r"(cmp|test|sub|add|dec|inc|and|or|xor|neg|sh[lr]d?|sar|bt|sal|imul|adc|sbb)"
                        r"[bwlq]?$")
REGISTER = re.compile(r"%([er]?(?:[abcd]x|[sd]i|[sb]p)|[abcd][lh]|[sd]il|[sb]pl|r(?:[89]|1[0-5])[dwb]?)\b")


def whole(register):
    """The 64-bit register that a name is part of."""
    if register[:1] == "r" and register[1:2].isdigit():
        return re.match(r"r\d+", register)[0]
    stem = register.lstrip("er") if len(register) > 2 else register
    return {"al": "ax", "ah": "ax", "bl": "bx", "bh": "bx", "cl": "cx", "ch": "cx", "dl": "dx",
            "dh": "dx", "sil": "si", "dil": "di", "spl": "sp", "bpl": "bp"}.get(stem, stem)


def registers(text):
    return {whole(name) for name in REGISTER.findall(text)}


def operands(args):
    return re.split(r",(?![^(]*\))", args) if args else []


class Function:
    """The instructions of one function, read in the order in which they stand."""

    def __init__(self, name):
        self.name, self.faults, self.branches, self.indirect = name, [], 0, 0
        self.tainted = set()  # general registers that hold something out of a mask or a vector
        self.scalar_vectors = set()  # vector registers into which a general register was moved
        self.flags = ""  # the instruction that set the flags, when it should not have

    def fault(self, what, line):
        self.faults.append(f"{self.name}: {what}: {line}")

    def instruction(self, op, args):
        line = f"{op} {args}".strip()
        parts = operands(args)
        if FORBIDDEN.match(op):
            self.fault("not in constant time", line)
        if op[0] == "j" and op != "jmp":
            self.branches += 1
            if self.flags:
                self.fault("a branch on what came out of a vector", f"{self.flags}; {line}")
        if op in ("call", "jmp") and args.startswith("*"):
            self.indirect += 1
        if self.name in PUBLIC:
            return
        for part in parts:
            if "(" in part and op[:3] != "nop" and registers(part) & self.tainted:
                self.fault("an address out of a vector", line)
        self.follow(op, parts, line)

    def follow(self, op, parts, line):
        target = parts[-1] if parts else ""
        if op.startswith("xor") and len(set(parts)) == 1:
            parts = []  # sets to zero
        sources = registers(",".join(parts)) & self.tainted
        if FLAGS_FROM_VECTORS.match(op) or (SETS_FLAGS.match(op) and sources):
            self.flags = line
        elif SETS_FLAGS.match(op):
            self.flags = ""
        if REGISTER.fullmatch(target) and not op.startswith(("cmp", "test", "j", "push", "bt")):
            written = whole(target[1:])
            reads = registers(",".join(parts[:-1])) & self.tainted
            keeps = SETS_FLAGS.match(op) and len(parts) == 2 and written in self.tainted
            if parts and (self.from_vector(op, parts) or reads or keeps):
                self.tainted.add(written)
            else:
                self.tainted.discard(written)
        elif target.startswith(("%xmm", "%ymm", "%zmm")):
            name = target[4:].split("{")[0]
            if op == "vmovq" and not parts[0].startswith("%xmm"):
                self.scalar_vectors.add(name)
            else:
                self.scalar_vectors.discard(name)

    def from_vector(self, op, parts):
        if op.startswith("kmov"):
            return parts[0].startswith("%k")
        if self.name in POINTERS_IN_VECTORS or not op.startswith(("v", "mov", "p")):
            return False
        vector = re.match(r"%[xyz]mm(\d+)", parts[-2] if len(parts) > 1 else "")
        return bool(vector) and vector[1] not in self.scalar_vectors

    def call(self, callee):
        if callee not in CALLS or self.name not in CALLER.get(callee, {self.name}):
            self.fault("a call that is not on the list", callee)

    def finish(self):
        allowed, reason = BRANCHES.get(self.name, (-1, ""))
        if allowed < 0:
            self.fault("an unknown function; state what its branches are", str(self.branches))
        elif self.branches > allowed:
            self.fault(f"more than {allowed} branches ({reason})", str(self.branches))
        if self.indirect > INDIRECT_CALLS.get(self.name, 0):
            self.fault("jumps through a pointer", str(self.indirect))
        return self.faults


def read(lines):
    """The functions of the member, each with its faults."""
    functions, inside, current, named = {}, False, None, False
    for line in lines:
        if match := re.match(r"(\S+):\s+file format", line):
            inside, current = match[1].endswith(MEMBER), None
        elif match := re.match(r"[0-9a-f]+ <([\w.]+)>:", line):
            if inside:
                current = functions.setdefault(match[1], Function(match[1]))
        elif current and (match := re.search(r"R_X86_64_(?:PLT32|GOTPCREL\w*|PC32)\s+(\w+)", line)):
            if named:
                current.call(match[1])
        elif current and (match := re.match(r"\s*[0-9a-f]+:\s+((?:bnd |notrack |rep \w* ?)*)(\S+)\s*([^#<]*)(<[\w.]+)?", line)):
            current.instruction(match[2], match[3].strip())
            named = match[2] == "call" and not match[3].startswith("*")
            target = (match[4] or "")[1:]
            if named and target and target != current.name:
                current.call(target)
    return functions


def faults_of(lines):
    return [fault for function in read(lines).values() for fault in function.finish()]


HEAD = ["x/ec_ifma_ecka.c.o:     file format elf64-x86-64", "0000 <{}>:"]
SPECIMENS = [
    ("base_sums_p256", ["div    %rcx"]),
    ("base_sums_p256", ["vpgatherqq (%rax,%zmm1,8),%zmm0{%k1}"]),
    ("base_sums_p256", ["kortestb %k0,%k0", "je     10"]),
    ("base_sums_p256", ["kmovb  %k0,%eax", "test   %al,%al", "jne    10"]),
    ("base_sums_p256", ["kmovb  %k0,%eax", "movzbl %al,%edx", "mov    (%rdi,%rdx,8),%rcx"]),
    ("peer_sums_any", ["vmovq  %xmm3,%rax", "mov    (%rdi,%rax,8),%rcx"]),
    ("peer_sums_any", ["vpextrq $0x1,%xmm3,%r8", "vmovdqa64 (%r8),%zmm1"]),
    ("peer_sums_any", ["cmp    %rax,%rbx", "jne    10"] * 40),
    ("peer_sums_any", ["call   *%rax"]),
    ("peer_sums_any", ["call   10 <puts>"]),
    ("something", ["ret"]),
]
HARMLESS = [
    ("base_sums_p256", ["cmp    %rax,%rbx", "jne    10"]),
    ("base_sums_p256", ["kmovb  %k0,%eax", "mov    %al,0x10(%rdi)", "xor    %eax,%eax",
                        "mov    (%rdi,%rax,8),%rcx", "cmp    %rcx,%rax", "jne    10"]),
    ("peer_sums_any", ["vmovq  %rdi,%xmm3", "vmovq  %xmm3,%rax", "mov    (%rdi,%rax,8),%rcx"]),
    ("forget", ["call   *%rax"]),
]


def specimen(name, code):
    return [HEAD[0], HEAD[1].format(name)] + [f"   {i:x}:\t{line}" for i, line in enumerate(code)]


def prove():
    missed = [f"not caught: {name}: {code[:3]}" for name, code in SPECIMENS
              if not faults_of(specimen(name, code))]
    wrong = [f"wrongly caught: {fault}" for name, code in HARMLESS
             for fault in faults_of(specimen(name, code))]
    return missed + wrong


if __name__ == "__main__":
    text = subprocess.run(["objdump", "-dr", "--no-show-raw-insn", sys.argv[1]], check=True,
                          capture_output=True, text=True).stdout.splitlines()
    found = prove() + faults_of(text)
    names = collections.Counter({name: f.branches for name, f in read(text).items()})
    if not {"base_sums_p256", "base_sums_any", "peer_sums_p256", "peer_sums_any"} <= set(names):
        found.append("the functions to be looked at are not there")
    for fault in found:
        print(fault)
    for name, count in names.items():
        print(f"{name}: {count} conditional branches")
    sys.exit(1 if found else 0)
