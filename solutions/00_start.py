# %% [markdown]
# # 00 · Find out where you are, and how this course works
#
# Before you build anything, you connect, look at what is real here and what is not, and solve two small exercises.
#
# **You will do**: connect to a lab, ask its model something, let the lab tell what it is made of, look at your rights,
# fail a check on purpose, and then pass two.
#
# **You will learn**: what you are connected to, who the three personas of this course are, how an exercise, a check
# and a hint work, and what to do when you are stuck.
#
# **You need**: a running lab (`./lab up`) and about 15 minutes. That is an estimate for reading and solving; the
# cells themselves run for 5 seconds (measured 2026-11-28 on two cores).

# %% tags=["parameters"]
app_name: str = "Hello 00"  # what the key of your first call is used for
wrong_answer: int = 0  # the answer that you give on purpose, to see what a check says

# %% [markdown]
# ## The story
#
# Your organisation wants to use language models. Today everybody who needs one asks for a machine with a **GPU** (a
# graphics processor) and runs a model alone. This course takes the other way: **Models-as-a-Service** (MaaS). One team
# runs the models, and everybody else gets an address and a key.
#
# You play three personas, one after the other:
#
# | persona | what they want | lesson |
# |---|---|---|
# | **provider** | a platform that others can rely on | 02 |
# | **consumer** | answers in their own program, without thinking of GPUs | 03 |
# | **accountant** | to know who used what, and who pays | 04 |

# %% [markdown]
# ## See the way ahead
#
# ```mermaid
# flowchart LR
#   accTitle: The map of the course
#   accDescr {
#     Lesson 00 is the start, and lesson 01 shows the problem. In lesson 02 you are the provider and deploy the
#     platform, in lesson 03 you are a consumer and call a model, in lesson 04 you are the accountant and make a bill.
#     Lesson 05 sums up, and in lesson 06 you repair a platform that is broken.
#   }
#   start["00 · start"] --> problem["01 · the problem"] --> provider
#   subgraph personas["you are"]
#     provider["02 · provider"] --> consumer["03 · consumer"] --> accountant["04 · accountant"]
#   end
#   accountant --> summary["05 · summary"] --> challenge["06 · challenge"]
# ```
#
# Each lesson stands alone: you can begin with the persona that you are at work. Only the last two look back: lesson 05
# sets side by side what you have measured, and lesson 06 needs the tools of 02 to 04.
#
# What you pass is kept on this machine. Run `lab.record()` in a cell of your own whenever you want to see how far you
# are.

# %% [markdown]
# ## Connect
#
# Every lesson begins with these lines. `connect()` takes the cluster that you have chosen, or the local one on this
# machine. `lab` then says where you are: which **cluster** (what runs programs), which **gateway** (the server that
# checks and counts every call), which **portal** (where people get their keys), and which **model**.

# %%
from maas_lab import ask, checks, connect, errors, expect

lab = connect()
lab

# %% [markdown]
# ## Say hello
#
# Does it live? Ask the model something. A call needs a **key**, a secret that says who calls; lesson 03 shows how
# people get one. (The first line removes what an earlier run of this lesson has left.)
#
# The model may be a very small one. Predict: will the answer be wise?

# %%
lab.gateway.delete_key(*[one.hash for one in lab.gateway.keys(application=app_name)])
key = lab.gateway.create_key(app_name, models=[lab.model])

# %% tags=["nbval-ignore-output"]
reply = ask(lab.client(key), "Say hello to somebody who begins a course.", model=lab.model)
reply

# %% [markdown]
# However wise it was: it was written by a model, word by word, for you. Models read and write **tokens**, pieces of
# text, and the gateway has booked yours in a **spend row**.

# %%
row = lab.gateway.spend_row(reply.id)
print("the gateway booked the tokens that you received:", row.total_tokens == reply.total_tokens)
print("and they cost something:", row.cost > 0)

# %% [markdown]
# ## Look: what is real here?
#
# A lab that runs without GPUs must leave something out. So do not believe its name, ask it. Predict: which of the
# parts are what they are called, and which are not?
#
# `lab.real()` asks the cluster for its version, its nodes and its pods, and the gateway for names and prices. A
# **pod** is what runs in a cluster in the end; it is started from an **image**, a program with all that it needs.
# - `real`: it is what it is called.
# - `stand-in`: something else does the same work.
# - `simulation`: only a number; nothing is behind it.

# %%
lab.real()

# %% [markdown]
# Where something is a stand-in, this cluster says so itself: the table has it from a note on its node. Nobody wrote
# this table into the notebook; on another cluster the same cell shows another one.
#
# The misconception: "if the names are right, the thing is right". An image's name is only a name. Look at what runs.

# %% [markdown]
# ## See what you may do
#
# A cluster decides for each user what they may do. It is better to ask before a lesson than to be refused in the
# middle of one. `lab.rights()` asks for everything that the lessons do, persona by persona. A **namespace** is a part
# of the cluster with a name; lessons 01, 02, 05 and 06 each make one of your own, the others look into the platform's.

# %%
rights = lab.rights()
rights

# %% [markdown]
# What is missing, an administrator can give you with a **RoleBinding**: an object that says who has which role, and
# where. `to_ask()` writes it for you, with the command. Send what it prints. If you may not even connect, the error of
# `connect()` holds the same.

# %%
rights.to_ask()

# %% [markdown]
# And this is how a request looks: what a colleague, `alice`, needs for the consumer's rows of the table. Predict: may
# she change anything in the cluster with it?

# %%
rights.request_for("alice", "consumer")

# %% [markdown]
# No: she may look at pods and their logs, and only because lesson 03 looks behind the curtain once. At work a consumer
# needs no right in the cluster at all. That is the idea of Models-as-a-Service: people get a key, and not the right to
# run things.
#
# The first row of the table is another matter. These notebooks play all personas, so they read the Secret that holds
# the gateway's **master key**. Whoever may read the Secrets of a namespace holds all passwords in it.

# %% [markdown]
# ## Be wrong first, on purpose
#
# In an **exercise** you fill a blank. You recognise it by `...` and the words `YOUR CODE`. The cell below it is a
# **check**: it looks at the running lab, not at how you wrote your code.
#
# A check that is not content raises an error, and Jupyter stops there. That is no accident: see it happen now. The
# check of exercise 0.1 is called with the blank, `...`. Here `with expect(...)` catches the error, so that the notebook
# goes on; without it, you would see the error itself, in two or three lines.
#
# Ask four times, and watch the **hints** grow.

# %%
for number in range(1, 5):
    with expect(errors.NotDoneYet) as refused:
        checks.pods(lab, ...)
    print(f"  try, time {number}:", refused.error.hint)

# %% [markdown]
# `NotDoneYet` says that the blank is still there. The first hint is small, the last one is the answer. After it the
# check names the section to read again, and then the hints begin anew. They cost nothing; `lab.record()` counts them,
# so that you know what to read again.
#
# The other error is `NotQuite`: there is an answer, and the lab shows something else. It says what the check saw
# and why that is not enough.

# %%
with expect(errors.NotQuite) as refused:
    checks.pods(lab, wrong_answer)
print("  why:", refused.error.why)

# %% [markdown]
# **Exercise 0.1** How many pods does the platform have now? Replace the blank, run the cell, then run its check. You
# have seen all of its hints above.

# %%
pods = len(lab.cluster.pods(lab.namespace))  # SOLUTION

# %%
checks.pods(lab, pods)

# %% [markdown]
# One line, and you are done. You may change your answer and run the check again as often as you like.
#
# ## Know what you are connected to
#
# Whoever works with several clusters will one day delete something on the wrong one. So look first, always. You have
# seen the names in the first cells; a cluster's address is that of its **API** (application programming interface,
# how programs talk to it), and `lab.cluster` shows it.

# %%
lab.cluster

# %% [markdown]
# **Exercise 0.2** Name three things as text: `cluster`, the address of the cluster's API; `gateway`, the address of the
# gateway; and `model`, the name that a program must give to call the model.

# %%
cluster = lab.cluster.server  # SOLUTION
gateway = lab.gateway.url  # SOLUTION
model = lab.model  # SOLUTION

# %%
checks.connected(lab, cluster, gateway, model)

# %% [markdown]
# ## Know how to get unstuck
#
# 1. Read the error. `why` is the cause as far as it is known, and `try` is the next step, often a command to copy.
# 2. Ask the doctor. `lab.doctor()` looks at everything that the lessons need.
# 3. Read a log: what a program wrote. The last lines of the gateway's are below.
# 4. Start again. Lessons can be run twice. If the lab itself is broken, run `./lab reset --yes` and then `./lab up` in
#    a terminal: that deletes what the local lab made, and nothing else.

# %%
findings = lab.doctor()
print("looked at:", ", ".join(one.topic for one in findings))
print("to mend:  ", [one for one in findings if not one.ok] or "nothing")

# %% tags=["nbval-ignore-output"]
lab.cluster.logs("deployment/litellm", lab.namespace, tail=3)

# %% [markdown]
# Run `lab.doctor()` in a cell of your own: as a table it says what was seen, and for each trouble what to do. In a
# terminal, `./lab doctor` looks at the machine when not even `connect()` works.
#
# ## Discuss
#
# 1. A colleague shows you a demo: "Granite, on our cluster, it answers in a tenth of a second." What would you look at
#    before you believe it?
#
# <details><summary>What a good answer contains</summary>
#
# Which image runs behind the name, and on what: the pod, its node, the devices it holds. Whether the served name is
# the model's own or only an alias at the gateway. How many people asked at the same time. And whether the answer was
# booked, so that the call really went through the platform.
#
# </details>
#
# 2. You lack a right. Why do you ask for exactly that one, and not to be an administrator?
#
# <details><summary>What a good answer contains</summary>
#
# Because every right can be used by mistake, by a stolen token, or by a program that runs as you. Because an
# administrator can grant a small request at once and must think about a large one. And because whoever may read
# Secrets in a namespace holds all passwords in it: even a small right can be a large one.
#
# </details>
#
# ## Clean up
#
# Your key goes. Its spend row stays, so that an accountant can still see who spent what.

# %%
lab.gateway.delete_key(key)
print("keys left:", len(lab.gateway.keys(application=app_name)))

# %% [markdown]
# ## Under the hood
#
# How does `lab.real()` know? Run `lab.cluster.list("Node")[0]["metadata"].get("annotations")` in a cell of your own:
# this is the note that the local cluster puts on its node. A cluster without such a note is what its names say, as far
# as anybody can tell from outside. Then read a check: `checks.connected??`.
#
# ## On your own
#
# - Which rows of `lab.real()` would say something else on a cluster with GPUs? `manifests/README.md` tells what runs
#   there.
# - Who needs the longest request? Run `rights.request_for("alice", "provider")`, and find the rule that opens Secrets.
# - `kubectl auth can-i create secrets -n maas-system` asks the same question as `lab.rights()`, in a terminal.
# - Stop the lab with `./lab down` in a terminal and run `lab.doctor()`. Which line tells you what to do? (`./lab up`,
#   then run the first cells again.)
