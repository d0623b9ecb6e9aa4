"""The escalation matrix: YAML that a team edits, checked whole, and the plans that come of it.

position        YAML text → plain content, and the line of every place in it
shape           plain content → pydantic models; what does not fit is told in plain sentences
hints           the nearest name that was perhaps meant
model, checks   the matrix file: its shape; do its parts fit each other
loader          text or path → Matrix, or every problem at once
resolve         matrix × issue type → Plan
builtin         the matrices that come with the product (templates/*.yaml)
shelf           built-in matrices and those of a team's folder, by name
addresses       `platform:id`, as people write them
hours           days, periods and dates, as people write them
directory_*     the directory file: who holds which role, working hours, channels, people
"""
