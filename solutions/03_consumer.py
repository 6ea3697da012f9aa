# %% [markdown]
# # 03 · Call a model as if it were a public API
#
# You are a developer. You do not know where the GPUs are, and you do not need to.
#
# **You will do**: create an application in a self-service portal, get its key, call a model with curl and with the
# OpenAI SDK, stream an answer, build a small program, meet five kinds of refusal, and replace your key.
#
# **You will learn**: what a consumer of Models-as-a-Service sees, what is measured behind the scenes, and how a
# good client behaves when it is refused.
#
# **You need**: a running lab (`./lab up`) and about 40 minutes. That is an estimate for reading and solving; the
# cells themselves run for 30 to 40 seconds (measured 2026-11-28 on two cores).

# %% tags=["parameters"]
app_name: str = "My GenAI App"  # the application you build; its keys carry this name
burst: int = 12  # how many calls the burst at the end makes
usual_cap: float = 100.0  # dollars that a colleague may spend, before and after this lesson

# %% [markdown]
# ## The story
#
# Yesterday you would have asked for a GPU, waited for it, installed a model server, and left both idle while nobody
# asked anything. Today your organisation runs **one** model for everybody and gives you an address and a key.
#
# An **API gateway** stands in front of the model: it checks who calls, counts what they use, and passes the call on.
# A **portal** gives out the keys: you log in and serve yourself, nobody has to be asked.
#
# ```mermaid
# flowchart LR
#   accTitle: The way to a key, and the way of a call
#   accDescr {
#     You log in at the portal and create an application; the portal lets the AI gateway make a key for it. Your
#     application sends its calls and the key to the gateway, never to the portal. The gateway checks the key, passes
#     the call on to the model server, and writes a spend row into its database.
#   }
#   you(["you"]) -- "create an application" --> portal["portal (LiteMaaS)"]
#   portal -- "make a key" --> gateway["AI gateway (LiteLLM)"]
#   app["your application"] -- "call and key" --> gateway
#   gateway -- "call" --> model["model server"]
#   gateway -- "spend row" --> database[("database")]
# ```

# %%
from maas_lab import ask, ask_many, checks, connect, errors, expect, plots, widgets

lab = connect()
lab

# %% [markdown]
# ## Look: open the portal
#
# A portal is a page. Open it beside this notebook, log in, and look at the models: what they are, how much they can
# read at once (**context length**), and what a token costs.
#
# On a cluster you log in with your own name. On the lab's local cluster you are `alice`; run `./lab password alice` in
# a terminal for her password.

# %%
lab.portal_page

# %% [markdown]
# What the page does, goes through an API, and this notebook can use that as well. `lab.login` logs you in as the
# page would: the cluster asks who you are, and the portal never sees your password.

# %%
portal = lab.login("consumer")
portal.me.roles

# %%
offered = next(model for model in portal.models() if model.name == lab.model)
print("context length, in tokens:       ", offered.context)
print("an answer costs more than reading:", offered.output_cost > offered.input_cost > 0)
print("an administrator has to approve: ", offered.restricted)

# %% [markdown]
# ## Create your application
#
# One call, and nobody has to be asked. (The first line removes what an earlier run of this lesson has left.)
#
# LiteMaaS has no object called application. What you get is made of two things that it has: a **subscription**, your
# right to use a model, and an **API key** that carries the application's name. A key is a secret that says who
# calls; it never shows more than its last four characters here.

# %%
portal.delete_application(app_name)
application = portal.create_application(app_name, [lab.model])
key = application.key
application

# %%
print("subscription:", next(one.status for one in portal.subscriptions() if one.model == lab.model))
print("the key opens:", lab.gateway.available_models(key))

# %% [markdown]
# The same as a form, if you prefer to click. Reload the portal's page: your application is there, whichever way you
# made it.

# %%
widgets.portal_form(portal)

# %% [markdown]
# ## Call it with curl
#
# This is the command that the portal's page shows, too. Before you run it, predict: what in this command tells you that
# the model runs on your own organisation's hardware?

# %%
command = lab.curl(key, "In one short sentence: what is an API?")
command

# %% [markdown]
# Run it. The same curl runs here; only the key goes in by another way, because every user of a machine can read the
# arguments of its programs.

# %%
answer = command.run()
usage = answer["usage"]
print("object:       ", answer["object"])
print("choices:      ", len(answer["choices"]))
print("usage adds up:", usage["prompt_tokens"] + usage["completion_tokens"] == usage["total_tokens"])

# %% [markdown]
# What the model said. (This is a very small model, made for measuring and not for knowing. Don't believe it.)

# %% tags=["nbval-ignore-output"]
answer["choices"][0]["message"]["content"]

# %% [markdown]
# Nothing in the command and nothing in the answer says where the model runs: only the address differs from a public
# provider's. That is the point. The infrastructure can move, grow or change its GPUs, and your code stays as it is.
#
# ## Look behind the curtain, once
#
# Change sides for a minute: a provider sees where the call went. This is the end of the log of the model's pod.

# %% tags=["nbval-ignore-output"]
pod = next(pod for pod in lab.cluster.pods(lab.namespace) if pod.name.startswith(lab.model))
print("\n".join(lab.cluster.logs(pod.name, lab.namespace).splitlines()[-6:]))

# %% [markdown]
# The log knows tokens and milliseconds, and nobody's name. The gateway does: it writes one **spend row** for each call,
# with who, which model, how many tokens, and what it cost. The answer's `id` is the row's `request_id`. A row appears a
# few seconds after its call.
#
# **Exercise 3.1** Find the spend row of the call you just made.

# %%
row = lab.gateway.spend_row(answer["id"])  # SOLUTION

# %%
checks.booked(lab, answer, row)

# %%
print("application:      ", row.application)
print("model:            ", row.model)
print("priced per token: ", row.cost > 0)
print("outcome:          ", row.outcome)

# %% [markdown]
# ## Call it from Python
#
# The gateway speaks the OpenAI API, so the stock SDK works. Two arguments change: `base_url` is `lab.url`, and
# `api_key` is your key; `key.reveal()` gives the secret to code, and never to a printout.
#
# By default the SDK repeats refused calls in silence, for up to a minute. In this lesson you want to see
# refusals: set `max_retries=0`.
#
# **Exercise 3.2** Make a client of the stock SDK for this gateway.

# %%
from openai import OpenAI

client = OpenAI(base_url=lab.url, api_key=key.reveal(), max_retries=0)  # SOLUTION

# %%
checks.sdk(lab, client)

# %%
reply = client.chat.completions.create(
    model=lab.model,
    messages=[{"role": "user", "content": "Name three colours."}],
    max_tokens=24,
)
usage = reply.usage
print("an answer came:", bool(reply.choices[0].message.content))
print("usage adds up: ", usage.prompt_tokens + usage.completion_tokens == usage.total_tokens)

# %% [markdown]
# ## Let it stream
#
# A reader does not want to wait for the last word. With `stream=True` the answer comes in parts as the model makes
# them. Two numbers tell how that feels: the **time to the first token**, and the **tokens per second** after it.
#
# A stream carries no `usage` unless you ask for it with `include_usage`. You ask here; what happens if you don't,
# comes right after.
#
# Predict: which part of the waiting does streaming shorten?

# %%
import time

arrivals, usage, stream_id = [], None, ""
started = time.perf_counter()
for chunk in client.chat.completions.create(
    model=lab.model,
    messages=[{"role": "user", "content": "Tell me about the sea."}],
    max_tokens=48,
    stream=True,
    stream_options={"include_usage": True},
):
    stream_id, usage = chunk.id, chunk.usage or usage
    if chunk.choices and chunk.choices[0].delta.content:
        arrivals.append(time.perf_counter() - started)

stream_row = lab.gateway.spend_row(stream_id)
print("parts arrived one by one:         ", len(arrivals) > 10)
print("tokens told here = tokens booked: ", usage.total_tokens == stream_row.total_tokens)

# %% [markdown]
# `arrivals` holds the seconds from your question to each part; `stream_row.completion_tokens` is how many tokens
# the gateway booked for the answer.
#
# **Exercise 3.3** Compute the time to the first token, and the tokens per second from the first part to the last.

# %%
first_token_s = arrivals[0]  # SOLUTION
tokens_per_s = stream_row.completion_tokens / (arrivals[-1] - arrivals[0])  # SOLUTION

# %%
checks.stream(lab, arrivals, stream_row, first_token_s, tokens_per_s)

# %% tags=["nbval-ignore-output"]
print(f"first token after {first_token_s:.2f} s, then {tokens_per_s:.0f} tokens per second")

# %% [markdown]
# Streaming makes nothing faster: the last word comes when it would have come anyway. It shortens the wait for the
# **first** word. The misconception: "streaming is quicker, so it costs less". The tokens are the same.
#
# ### A trap: a stream that nobody measures
#
# Now the same question without `include_usage`. The model server then says nothing about tokens. Predict: what does the
# gateway write into the spend row?

# %%
question = [{"role": "user", "content": "Translate into English: 早上好,今天天气很好。"}]


def streamed(**more):
    chunks = list(
        client.chat.completions.create(model=lab.model, messages=question, max_tokens=16, stream=True, **more)
    )
    return lab.gateway.spend_row(chunks[-1].id)


guessed = streamed()
measured = streamed(stream_options={"include_usage": True})
print("same question, same tokens read:", guessed.prompt_tokens == measured.prompt_tokens)

# %% tags=["nbval-ignore-output"]
print(f"tokens read: {measured.prompt_tokens} measured, {guessed.prompt_tokens} booked without asking")

# %% [markdown]
# Without `include_usage` the gateway **guesses**: it counts with a tokenizer of its own, which is not the model's.
# Somebody pays too much or too little, and no client can prove it. A gateway that counts nothing in such a stream is
# worse: its token limit never stops anybody. (Red Hat's Models-as-a-Service is one, unless the model server is started
# with `--enable-force-include-usage`: pull request 1473 of that project, read 2026-11-23.)
#
# Close it where you can: ask for `include_usage` in every stream, as you did in the first one, whose tokens were booked
# as they were told. `ask` and `ask_many` stream nothing, so their usage is always the server's own.
#
# ## Get an answer that a program can read
#
# A sentence is for people. With a JSON schema as `response_format`, the server lets the model write nothing that does
# not fit: no tools, no begging in the prompt. What stands **in** the fields is still the model's guess.

# %%
import json

schema = {
    "type": "object",
    "properties": {
        "device": {"type": "string", "maxLength": 30},
        "urgency": {"type": "string", "enum": ["low", "high"]},
    },
    "required": ["device", "urgency"],
    "additionalProperties": False,
}
reply = client.chat.completions.create(
    model=lab.model,
    messages=[{"role": "user", "content": "As JSON: The printer on floor 3 prints only blank pages since Monday."}],
    response_format={"type": "json_schema", "json_schema": {"name": "ticket", "schema": schema}},
    max_tokens=80,
)
ticket = json.loads(reply.choices[0].message.content)
print("fields:            ", sorted(ticket))
print("urgency is allowed:", ticket["urgency"] in ("low", "high"))

# %% [markdown]
# ## Build a small program
#
# Ten support tickets wait for a one-line summary. One after the other, that takes ten times as long as one; but a
# model server **batches** calls that come at the same time.

# %%
tickets = [
    "The printer on floor 3 prints only blank pages since Monday.",
    "I cannot log in from home, the VPN says my certificate has expired.",
    "Please give the new colleague access to the team calendar.",
    "The build server is out of disk space again.",
    "My laptop gets very hot in video calls.",
    "The invoice of March shows the wrong cost centre.",
    "Search in the wiki finds nothing since the update.",
    "Can I have a second monitor for the test bench?",
    "The coffee machine in the kitchen asks for a password.",
    "Mails to our customer in Spain come back as spam.",
]
prompts = [f"Summarise this support ticket in five words: {ticket}" for ticket in tickets]

# %% [markdown]
# `ask_many` makes many calls, some at a time, and keeps one row for each.
#
# **Exercise 3.4** Summarise all tickets with `client`, four at a time.

# %%
calls = ask_many(client, prompts, model=lab.model, concurrency=4, max_tokens=16)  # SOLUTION

# %% [markdown]
# The next cell waits until the gateway has booked every call. The check compares your tokens with the gateway's.

# %%
if calls is not ...:
    for request_id in calls.frame["request_id"]:
        lab.gateway.spend_row(request_id)
checks.tickets(lab, key, calls, count=len(tickets))

# %%
calls.frame[["outcome", "status"]].value_counts().reset_index(name="calls")

# %% [markdown]
# Note what you have measured so far in the lab's **journal**, for lesson 05: a file in the lab's home that only you may
# read.

# %%
lab.journal.note("03", model=lab.model, first_token=first_token_s, tokens_per_second=tokens_per_s, tickets=len(tickets))
print("noted:", ", ".join(lab.journal.of("03")))

# %% [markdown]
# ## Be refused, and know why
#
# A good client meets refusals and knows what to do. First, how a refusal looks to the bare SDK:

# %%
import openai

try:
    OpenAI(base_url=lab.url, api_key="sk-" + "x" * 20, max_retries=0).models.list()
except openai.AuthenticationError as error:
    print("status:    ", error.status_code)
    print("error.type:", error.body["type"])

# %% [markdown]
# The status alone does not tell refusals apart: this gateway answers 401 to an unknown key **and** to a model that
# your key does not open, and releases of the same gateway have used 400, 422 and 429 for a spent budget. Go by
# `error.type`. The lab's `ask` does that for you and raises one class for each kind.
#
# **A key nobody knows:**

# %%
with expect(errors.InvalidKey):
    ask(lab.client("sk-" + "x" * 20), "Hello?", model=lab.model)

# %% [markdown]
# **A model that your key does not open:** whether it exists elsewhere does not matter.

# %%
with expect(errors.ModelNotAllowed):
    ask(client, "Hello?", model="gpt-4o")

# %% [markdown]
# **A rate limit:** this key allows three requests per minute. Predict the outcome of six calls.

# %%
slow_key = portal.create_key(f"{app_name} (slow)", [lab.model], application=app_name, rpm_limit=3)
six = ask_many(lab.client(slow_key), ["Say yes."] * 6, model=lab.model, concurrency=1, max_tokens=2)
six

# %% [markdown]
# **A spent budget:** this key may spend one cent, and a call of a few tokens costs more at the lab's prices. The
# call that crosses the line is still answered; the next one is not.

# %%
poor_key = portal.create_key(f"{app_name} (poor)", [lab.model], application=app_name, max_budget=0.01)
ask(lab.client(poor_key), "Say yes.", model=lab.model, max_tokens=2)
with expect(errors.BudgetExceeded):
    ask(lab.client(poor_key), "Say yes.", model=lab.model, max_tokens=2)

# %% [markdown]
# **A spent cap, with a second key:** limits on a key do not stop somebody who makes another one. So an accountant can
# set a **cap** on a user, over all their keys. A colleague of yours calls once; then his cap is one cent. He goes on
# calling. A cap is compared with what is booked so far, and a booking takes its time: a call may still slip through
# before it closes.

# %%
accountant, colleague = lab.login("accountant"), lab.login("colleague")
his_app = f"{app_name} of a colleague"
colleague.delete_application(his_app)
accountant.admin.cap_user(colleague.me, max_budget=usual_cap)
first_key = colleague.create_application(his_app, [lab.model]).key
reply = ask(lab.client(first_key), "Say yes.", model=lab.model, max_tokens=2)
print("spent more than a cent:", lab.gateway.spend_row(reply.id).cost > 0.01)

# %%
accountant.admin.cap_user(colleague.me, max_budget=0.01)
four = ask_many(lab.client(first_key), ["Say yes."] * 4, model=lab.model, concurrency=1, max_tokens=2)
print("the last of four calls:", four.frame["outcome"].iloc[-1])

# %% [markdown]
# He thinks of a way out: a second key. Predict: does it work?

# %%
second_key = colleague.create_key(f"{his_app} (second)", [lab.model], application=his_app)
with expect(errors.BudgetExceeded):
    ask(lab.client(second_key), "Say yes.", model=lab.model, max_tokens=2)

# %% [markdown]
# It does not. The accountant gives him his usual cap back, and his key works again at once.

# %%
accountant.admin.cap_user(colleague.me, max_budget=usual_cap)
ask(lab.client(second_key), "Say yes.", model=lab.model, max_tokens=2).finish_reason

# %% [markdown]
# Four classes: `errors.InvalidKey`, `errors.ModelNotAllowed`, `errors.RateLimited`,
# `errors.BudgetExceeded`. A program that repeats every refused call makes things worse.
#
# **Exercise 3.5** Complete the function: for which of these errors is it worth to wait and try again?


# %%
def should_retry(error: Exception) -> bool:
    return isinstance(error, errors.RateLimited)  # SOLUTION


# %%
checks.retries(lab, should_retry)

# %% [markdown]
# ## One telling chart: a burst meets a rate limit
#
# Your application becomes popular and sends more calls than its key allows. Predict: do the refused calls slow the
# others down?

# %%
limit = max(1, burst * 2 // 3)
burst_key = portal.create_key(f"{app_name} (burst)", [lab.model], application=app_name, rpm_limit=limit)
burst_calls = ask_many(lab.client(burst_key), ["Count to five."] * burst, model=lab.model, concurrency=4, max_tokens=16)
burst_calls

# %%
plots.calls_by_outcome(burst_calls.frame)

# %% [markdown]
# A refused call costs the model nothing: the gateway answers it in milliseconds, before a token is made. That is
# how one shared model stays usable for everybody else.
#
# ## Keep your key clean
#
# Somebody pasted your key into a chat. A key cannot be made secret again; it can be **rotated**: the portal makes
# a new one with the same name, rights and limits, and the old one dies.
#
# **Exercise 3.6** Rotate the key of your application.

# %%
new_key = portal.rotate_key(application)  # SOLUTION

# %%
checks.rotated(lab, key, new_key)

# %% [markdown]
# A key that nobody needs any more is **revoked**: deleted, for good. Its spend rows stay, because the accountant needs
# them.

# %%
portal.delete_key(burst_key)
with expect(errors.InvalidKey):
    ask(lab.client(burst_key), "Say yes.", model=lab.model, max_tokens=2)

# %% [markdown]
# ## Discuss
#
# 1. Your manager asks: "Why not give every team a GPU, then nobody is ever refused?" What do you answer?
#
# <details><summary>What a good answer contains</summary>
#
# Who pays for the idle hours; that a refusal by a rate limit is a decision somebody made and can change in a
# second, while a GPU that is not there cannot be added; and that without a gateway nobody knows who uses what.
#
# </details>
#
# 2. Your application gets `BudgetExceeded` at night. Should it call again until morning?
#
# <details><summary>What a good answer contains</summary>
#
# No: waiting does not mend a budget. It should stop, tell its owner, and keep the work. Who may raise the budget,
# and how fast, is a question to settle before the first night.
#
# </details>
#
# ## Clean up
#
# Remove the applications that this lesson made, and their keys. Their spend rows stay.

# %%
portal.delete_application(app_name)
colleague.delete_application(his_app)
print("keys left:", len(portal.keys(application=app_name)) + len(colleague.keys(application=his_app)))

# %% [markdown]
# ## Under the hood
#
# `ask` is a thin cover over the SDK: it measures, and gives each refusal its class. Read how it is made:
# run `ask??` in a cell of your own.
#
# ## On your own
#
# - Create an application on the portal's page, copy the key, and run the page's curl command in a terminal. Which parts
#   would you change for a public provider?
# - Break a stream off after five parts and look at its spend row. Who pays for what nobody has read?
# - Give a key `tpm_limit=50` and find out what the gateway counts.
# - Make a key with `duration="10s"` and call with it until it expires. Which class of error do you meet?
