// The people of the account: invite one, change a role, remove one.
import { useSignal } from "@preact/signals";
import type { InvitationOffer, Member, MemberPage } from "../../model/generated/api.gen.ts";
import { plain } from "../../model/plain.ts";
import { Button } from "../../parts/controls/button.tsx";
import { Field } from "../../parts/controls/field.tsx";
import { attempt } from "../../parts/frame/attempt.ts";
import { Confirm } from "../../parts/frame/confirm.tsx";
import { ResourceView } from "../../parts/frame/resource_view.tsx";
import { useApp } from "../../state/app.ts";
import { useResource } from "../../state/resource.ts";

export function Members() {
  const { api, session } = useApp();
  const members = useResource<MemberPage>("/v1/members");
  const removing = useSignal<Member | null>(null);
  const isOwner = session.me.value?.role === "owner";
  const remove = async (member: Member) => {
    await attempt(async () => {
      await api.delete(`/v1/members/${member.person}`);
      await members.reload();
    });
  };
  return (
    <>
      <ResourceView of={members}>
        {(page) => (
          <ul class="things">
            {page.data.map((member) => (
              <li key={member.person}>
                <span>
                  <span>{plain(member.name) || "Without a name"}</span>
                  <span class="soft small">
                    {member.role === "owner" ? "Owner" : "Member"}
                    {member.email && ` · ${plain(member.email)}`}
                    {member.person === session.me.value?.person && " · you"}
                  </span>
                </span>
                {isOwner && member.person !== session.me.value?.person && (
                  <Button
                    look="quiet"
                    onPress={() => {
                      removing.value = member;
                    }}
                  >
                    Remove
                  </Button>
                )}
              </li>
            ))}
          </ul>
        )}
      </ResourceView>
      {isOwner && <Invite onInvited={() => void members.reload()} />}
      {removing.value && (
        <Confirm
          title={`Remove ${plain(removing.value.name)}?`}
          action="Remove"
          onConfirm={() => void remove(removing.value!)}
          onClose={() => {
            removing.value = null;
          }}
        >
          <p>Their devices are signed out at once. Their tasks stay in the account.</p>
        </Confirm>
      )}
    </>
  );
}

function Invite({ onInvited }: { onInvited: () => void }) {
  const { api } = useApp();
  const name = useSignal("");
  const offer = useSignal<InvitationOffer | null>(null);
  const failure = useSignal("");
  const invite = async () => {
    await attempt(async () => {
      offer.value = await api.post<InvitationOffer>("/v1/members", { name: name.value.trim() });
      name.value = "";
      onInvited();
    }, failure);
  };
  return (
    <section class="settings-section">
      <h2>Invite someone</h2>
      {offer.value && (
        <div class="secret-once">
          <p>Send this link to them. It works once, within a day.</p>
          <code>{offer.value.url}</code>
        </div>
      )}
      <Field
        label="Name"
        value={name.value}
        onInput={(typed) => {
          name.value = typed;
        }}
        {...(failure.value ? { error: failure.value } : {})}
      />
      <Button disabled={name.value.trim() === ""} onPress={() => void invite()}>
        Create invitation
      </Button>
    </section>
  );
}
